// The results that the programs of all generated clients must find.

export const queried = {
  activityId: 'generated/query',
  attempt: 1,
  sql: 'SELECT id, email FROM users WHERE email = :email',
  parameters: { email: 'ada@example.org' },
};

export const executed = (maker: string) => ({
  activityId: `generated/execute/${maker}`,
  sql: 'INSERT INTO orders (user_id, total) VALUES ($1, $2) RETURNING id',
  parameters: [1, 12.5],
});

export const refused = (maker: string) => ({
  activityId: `generated/refused/${maker}`,
  sql: 'INSERT INTO users (email, name) VALUES ($1, $2)',
  parameters: ['ada@example.org', 'Ada'],
});

export function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`expected: ${what}`);
}
