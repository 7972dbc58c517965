package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/upstreamsim"
)

func TestServeAnswersHealthcheckAndStops(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--addr", "127.0.0.1:0", "--demo-tokens-only"}, writer) }()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, addr, found := strings.Cut(strings.TrimSpace(line), "http://")
	if !found {
		t.Fatalf("no address in %q", line)
	}
	if err := run(ctx, []string{"healthcheck", "--addr", addr}, io.Discard); err != nil {
		t.Errorf("healthcheck: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	if err := run(t.Context(), []string{"healthcheck", "--addr", addr}, io.Discard); err == nil {
		t.Error("the healthcheck of a stopped server must fail")
	}
}

func TestTokensPrintsTheDemoTokens(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), []string{"tokens"}, &out); err != nil {
		t.Fatal(err)
	}
	var demo upstreamsim.Demo
	if err := json.Unmarshal([]byte(out.String()), &demo); err != nil {
		t.Fatal(err)
	}
	if len(demo.Cursor) != 5 || len(demo.OpenAI) != 5 || len(demo.Anthropic) != 5 {
		t.Errorf("got %d, %d and %d tokens", len(demo.Cursor), len(demo.OpenAI), len(demo.Anthropic))
	}
}

func TestBadUsageIsAnError(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"nonsense"}, {"serve", "extra"}, {"healthcheck", "--addr", "nowhere"}, {"--addr", ":99999"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
