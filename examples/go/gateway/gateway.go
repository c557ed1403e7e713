// Package gateway is the gateway from an activity, with nothing but Go's standard library (1.19 or later). Copy it into
// your module.
package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	defaultURL       = "http://localhost:8080"
	defaultTimeoutMs = 15_000
	defaultTries     = 5

	// What the gateway itself is slow to say must still reach us, or a try that succeeded looks like one that failed.
	answerMargin = 10 * time.Second
	longestPause = 60 * time.Second

	// For this time after the first sending, an earlier attempt that is still running does not count. The longest TimeoutMs
	// is 5 minutes.
	inFlightPatience = 330 * time.Second
)

// Request is what the contract has for all endpoints; what is left empty is not sent.
type Request struct {
	// The workflow makes it, so that every try of an activity has the same.
	ActivityID string `json:"activityId"`
	// Where the counting of tries starts: which try of the activity this is, as the engine counts.
	Attempt        int         `json:"attempt,omitempty"`
	Connection     string      `json:"connection,omitempty"`
	SQL            string      `json:"sql,omitempty"`
	Parameters     any         `json:"parameters,omitempty"`
	ParameterTypes any         `json:"parameterTypes,omitempty"`
	TimeoutMs      int         `json:"timeoutMs,omitempty"`
	MaxRows        int         `json:"maxRows,omitempty"`
	RowFormat      string      `json:"rowFormat,omitempty"`
	Numbers        string      `json:"numbers,omitempty"`
	Expect         *Expect     `json:"expect,omitempty"`
	Delivery       string      `json:"delivery,omitempty"`
	Statements     []Statement `json:"statements,omitempty"`
	Isolation      string      `json:"isolation,omitempty"`
	ReadOnly       bool        `json:"readOnly,omitempty"`
	Deferrable     bool        `json:"deferrable,omitempty"`
}

// Statement is one of a transaction.
type Statement struct {
	SQL            string  `json:"sql"`
	Parameters     any     `json:"parameters,omitempty"`
	ParameterTypes any     `json:"parameterTypes,omitempty"`
	RowFormat      string  `json:"rowFormat,omitempty"`
	Expect         *Expect `json:"expect,omitempty"`
}

// Expect is what must be true of a result, or nothing is committed.
type Expect struct {
	RowCount int `json:"rowCount"`
}

// Error is a request that failed for good, or as often as it may be tried.
type Error struct {
	// The problem's code, such as "sql_error"; "unreachable" where no answer came.
	Code string `json:"code"`
	// What happened, in words.
	Detail string `json:"detail"`
	// The HTTP status; 0 where no answer came.
	Status int `json:"status"`
	// Whether the same request, with the same activity ID, may yet succeed.
	Retryable bool `json:"retryable"`
	// "no", "yes" or "unknown": whether the last try's effect was kept.
	Committed string `json:"committed"`
	// The number of the last try.
	Attempt int `json:"attempt"`
	// The whole problem, with "sqlState", "constraint", "errors" … where they apply.
	Problem map[string]any `json:"problem"`
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (attempt %d)", e.Code, e.Detail, e.Attempt)
}

// Client knows where the gateway is, and who calls.
type Client struct {
	URL string
	// The caller's key, where the gateway asks for one.
	Key string
	// How often a request is sent at most; 5 where it is 0. While an earlier attempt is still running
	// ("activity_in_flight"), sending it does not count.
	Tries int
}

// FromEnvironment gives the client of GATEWAY_URL (else http://localhost:8080) and GATEWAY_API_KEY.
func FromEnvironment() Client {
	return Client{URL: os.Getenv("GATEWAY_URL"), Key: os.Getenv("GATEWAY_API_KEY")}
}

// Run sends a request until it is answered, and decodes the answer as json.Unmarshal does; an int64 keeps every digit.
//
// The endpoint is "query", "execute" or "transaction". Every try is the same request under the same activity ID, or it
// would be another activity. A failure is an *Error, or the context's.
func (c Client) Run(ctx context.Context, endpoint string, request Request, answer any) error {
	if request.ActivityID == "" {
		return errors.New("ActivityID is required: the workflow makes it, so that every try of an activity has the same")
	}
	tries := c.Tries
	if tries == 0 {
		tries = defaultTries
	}
	address := c.URL
	if address == "" {
		address = defaultURL
	}
	address = strings.TrimRight(address, "/") + "/v1/" + endpoint
	if request.Attempt < 1 {
		request.Attempt = 1
	}

	patienceEnds := time.Now().Add(inFlightPatience)
	for failed := 0; ; {
		text, wait, err := c.send(ctx, address, request)
		if err == nil {
			return json.Unmarshal(text, answer)
		}
		var failure *Error
		if !errors.As(err, &failure) {
			return err
		}
		if failure.Code != "activity_in_flight" || time.Now().After(patienceEnds) {
			failed++
		}
		if !failure.Retryable || failed >= tries {
			return err
		}
		select {
		case <-time.After(pause(wait, failed)):
		case <-ctx.Done():
			return ctx.Err()
		}
		request.Attempt++
	}
}

// A redirect of a POST would be followed by a GET, without its body.
var client = http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// send gives the answer, or the failure and what Retry-After says of it.
func (c Client) send(ctx context.Context, address string, request Request) (answer []byte, wait string, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, "", err
	}
	budget := request.TimeoutMs
	if budget == 0 {
		budget = defaultTimeoutMs
	}
	try, cancel := context.WithTimeout(ctx, time.Duration(budget)*time.Millisecond+answerMargin)
	defer cancel()
	post, err := http.NewRequestWithContext(try, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("Accept", "application/json")
	if c.Key != "" {
		post.Header.Set("Authorization", "Bearer "+c.Key)
	}

	response, text, err := exchange(post)
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	if err != nil {
		// Refused, reset, timed out, cut off: whether the gateway ran it is not known. The activity ID makes sending it
		// again safe: what has been committed is recorded under it.
		return nil, "", &Error{
			Code: "unreachable", Detail: fmt.Sprintf("no answer from %s: %v", address, err),
			Retryable: true, Committed: "unknown", Attempt: request.Attempt,
		}
	}
	if response.StatusCode/100 != 2 {
		return nil, response.Header.Get("Retry-After"), failureOf(response, text, request.Attempt)
	}
	if !json.Valid(text) {
		return nil, "", &Error{
			Code: "invalid_response", Detail: address + " answers, but not with JSON: is it the gateway?",
			Status: response.StatusCode, Committed: "unknown", Attempt: request.Attempt,
		}
	}
	return text, "", nil
}

func exchange(post *http.Request) (*http.Response, []byte, error) {
	response, err := client.Do(post)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response, text, err
}

func failureOf(response *http.Response, text []byte, attempt int) *Error {
	failure := &Error{
		Code:      fmt.Sprintf("http_%d", response.StatusCode),
		Detail:    response.Status,
		Committed: "unknown",
		Problem:   map[string]any{},
	}
	// Both see the same text; one that is no problem leaves both as they are.
	if json.Unmarshal(text, &failure.Problem) == nil {
		_ = json.Unmarshal(text, failure)
	}
	failure.Status, failure.Attempt = response.StatusCode, attempt

	// Only something between us and the gateway leaves the header out.
	switch shouldRetry := response.Header.Get("X-Should-Retry"); {
	case shouldRetry != "":
		failure.Retryable = strings.EqualFold(shouldRetry, "true")
	case response.StatusCode == 408 || response.StatusCode == 409 || response.StatusCode == 429:
		failure.Retryable = true
	default:
		failure.Retryable = response.StatusCode >= 500
	}
	return failure
}

// pause is what the gateway asked for, else doubling; never all callers at the same moment.
func pause(wait string, failed int) time.Duration {
	// The clock's last digits: math/rand would draw the same in every process, before Go 1.20.
	chance := func(most time.Duration) time.Duration { return time.Duration(time.Now().UnixNano()) % most }
	if seconds, err := strconv.ParseUint(wait, 10, 31); err == nil {
		return shorter(time.Duration(seconds)*time.Second, longestPause) + chance(500*time.Millisecond)
	}
	longest := longestPause
	if failed < 8 {
		longest = 250 * time.Millisecond << failed
	}
	return longest/2 + chance(longest/2)
}

func shorter(a, b time.Duration) time.Duration {
	if a < b {
		return a
	}
	return b
}
