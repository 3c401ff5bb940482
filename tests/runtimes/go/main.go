// What tests/real-functions asks of a function, on aws-lambda-go.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do   string `json:"do"`
	Size int    `json:"size"`
}

func post(id, body string) int {
	answer, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/invocation/"+id+"/response",
		"application/json", strings.NewReader(body))
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// brokenStream fails after what it has.
type brokenStream struct{ rest io.Reader }

func (s *brokenStream) Read(p []byte) (int, error) {
	n, err := s.rest.Read(p)
	if errors.Is(err, io.EOF) {
		return n, errors.New("mid-stream")
	}
	return n, err
}

func stream(_ context.Context, e event) (io.Reader, error) {
	parts := bytes.NewBufferString("part1\npart2\n")
	if e.Do == "fail" {
		return &brokenStream{parts}, nil
	}
	return parts, nil
}

func handler(ctx context.Context, raw json.RawMessage) (any, error) {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	lc, _ := lambdacontext.FromContext(ctx)
	switch e.Do {
	case "echo":
		deadline, _ := ctx.Deadline()
		left := time.Until(deadline)
		return map[string]any{"got": raw, "name": lambdacontext.FunctionName, "memory": lambdacontext.MemoryLimitInMB,
			"custom": lc.ClientContext.Custom, "id": lc.AwsRequestID, "left": left > 0 && left <= 3*time.Second}, nil
	case "error":
		return nil, errors.New("bad amount é")
	case "panic":
		panic("all is lost")
	case "large":
		return strings.Repeat("x", e.Size), nil
	case "sleep":
		time.Sleep(1000 * time.Second)
	case "exit":
		os.Exit(3)
	case "twice":
		fmt.Println("first:", post(lc.AwsRequestID, `"first"`))
		return "second", nil
	case "wrong":
		return post("00000000-0000-0000-0000-000000000000", `"for somebody else"`), nil
	}
	return nil, fmt.Errorf("unknown: %s", e.Do)
}

func main() {
	if os.Getenv("FAIL_INIT") != "" {
		fmt.Fprintln(os.Stderr, "cannot init")
		os.Exit(3)
	}
	if os.Getenv("STREAM") != "" {
		lambda.Start(stream)
	}
	lambda.Start(handler)
}
