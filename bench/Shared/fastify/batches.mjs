// Rows of a trip to PostgreSQL; with pg-query-stream's default of 100 it is slower, with 10,000 no faster.
export const BATCH_SIZE = 1000;
// Written at a time: with a write for each row it is slower.
export const CHUNK_LENGTH = 65536;
