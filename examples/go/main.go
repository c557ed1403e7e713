// The activities, from a terminal:
//
//	go run . users
//	go run . register edith@example.org "Edith Clarke"
//	go run . send query '{"activityId": "try/1", "sql": "SELECT * FROM users"}'
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"example.org/activities/gateway"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// This stands in for the workflow: the same run and step have the same ID, however often the step is run.
func run(ctx context.Context, arguments []string) error {
	switch {
	case len(arguments) == 1 && arguments[0] == "users":
		users, err := ListUsers(ctx, "example-run-1/list-users", 1)
		for _, user := range users {
			fmt.Println(string(user))
		}
		return err
	case len(arguments) == 3 && arguments[0] == "register":
		id, err := RegisterUser(ctx, "example-run-1/register/"+arguments[1], arguments[1], arguments[2], 1)
		if err == nil {
			fmt.Println(id)
		}
		return err
	case (len(arguments) == 3 || len(arguments) == 4) && arguments[0] == "send":
		return send(ctx, arguments[1], arguments[2], arguments[3:])
	}
	return errors.New("usage: go run . users | register EMAIL NAME | send query|execute|transaction REQUEST [TRIES]")
}

// send prints the answer as it came, or the error as JSON.
func send(ctx context.Context, endpoint, text string, tries []string) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	// A float64 would round what a parameter holds, and a misspelt field would be lost.
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	var request gateway.Request
	if err := decoder.Decode(&request); err != nil {
		return err
	}
	client := gateway.FromEnvironment()
	if len(tries) > 0 {
		var err error
		if client.Tries, err = strconv.Atoi(tries[0]); err != nil {
			return err
		}
	}

	var answer json.RawMessage
	err := client.Run(ctx, endpoint, request, &answer)
	var failure *gateway.Error
	if errors.As(err, &failure) {
		failureText, _ := json.Marshal(failure)
		return errors.New(string(failureText))
	}
	if err == nil {
		fmt.Println(string(answer))
	}
	return err
}
