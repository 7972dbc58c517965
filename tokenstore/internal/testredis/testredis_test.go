package testredis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/testredis"
)

func TestEachAnswers(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got := client.Eval(t.Context(), "return redis.call('TIME')[1]", nil).Err(); got != nil {
			t.Fatal(got)
		}
	})
}

func TestDataOutlivesAKill(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	client := server.Client(t)
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Fatal("it lives")
	}
	server.Start(t)
	if got, err := client.Get(t.Context(), "k").Result(); err != nil || got != "v" {
		t.Fatalf("got %q, %v", got, err)
	}
}

// A call of a patient client outlives the deadline of its caller, and not its end.
func TestPatientClientsKnowNoDeadline(t *testing.T) {
	t.Parallel()
	client := testredis.Patient(testredis.Mini(t))
	over, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if err := client.Set(over, "k", "v", 0).Err(); err != nil {
		t.Errorf("after the deadline: %v", err)
	}
	if _, err := client.Pipelined(over, func(pipe redis.Pipeliner) error { return pipe.Get(over, "k").Err() }); err != nil {
		t.Errorf("a pipeline after the deadline: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := client.Get(ended, "k").Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
