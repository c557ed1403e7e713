package main

import (
	"context"
	"encoding/json"

	"example.org/activities/gateway"
)

// ListUsers is an activity that reads all users. Its ID comes from the workflow: one made in here would differ at each
// try. The attempt is which try of the activity this is, as the engine counts.
func ListUsers(ctx context.Context, activityID string, attempt int) ([]json.RawMessage, error) {
	var answer struct{ Rows []json.RawMessage }
	err := gateway.FromEnvironment().Run(ctx, "query", gateway.Request{
		ActivityID: activityID,
		Attempt:    attempt,
		SQL:        "SELECT * FROM users",
	}, &answer)
	return answer.Rows, err
}

// RegisterUser is an activity that writes; it gives the user's ID, the same at each try: the gateway has recorded its
// answer under the activity ID, in the transaction of the write. A user whom another activity has made is an error,
// "sql_error", whose Problem names the constraint.
func RegisterUser(ctx context.Context, activityID, email, name string, attempt int) (int64, error) {
	var answer struct{ Rows []struct{ ID int64 } }
	err := gateway.FromEnvironment().Run(ctx, "execute", gateway.Request{
		ActivityID: activityID,
		Attempt:    attempt,
		SQL:        "INSERT INTO users (email, name) VALUES (:email, :name) RETURNING id",
		Parameters: map[string]any{"email": email, "name": name},
	}, &answer)
	if err != nil {
		return 0, err
	}
	return answer.Rows[0].ID, nil
}
