// Rows per round trip to PostgreSQL. pg-query-stream's default of 100 is slower; 10,000 is not faster.
export const BATCH_SIZE = 1000;
// Characters per write. A write for each row is slower.
export const CHUNK_LENGTH = 65536;
