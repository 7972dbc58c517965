package redisstore

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/testredis"
)

// What is not there is no error, and hides none that comes behind it.
func TestReadsOfAPipelineTellOfEachError(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		if err := store.client.LPush(ctx, "a-list", "element").Err(); err != nil {
			t.Fatal(err)
		}
		pipe := store.client.Pipeline()
		pipe.Get(ctx, "absent")
		if err := sendReads(ctx, pipe); err != nil {
			t.Errorf("of what is not there: %v", err)
		}
		pipe.Get(ctx, "absent")
		pipe.Get(ctx, "a-list")
		if err := sendReads(ctx, pipe); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
			t.Errorf("of a list that is read as text, behind what is not there: %v", err)
		}
	})
}

// unconnected returns a client that gets no connection, and the error that it then has.
func unconnected(t *testing.T) (*redis.Client, error) {
	t.Helper()
	gone := io.EOF // which the client would try again, if it still could
	client := redis.NewClient(&redis.Options{
		MaxRetries: -1,
		Dialer:     func(context.Context, string, string) (net.Conn, error) { return nil, gone },
	})
	t.Cleanup(func() { _ = client.Close() })
	return client, gone
}

// A connection that can't be had fails every script of a round trip, also those sent again.
func TestBatchWithoutAConnection(t *testing.T) {
	t.Parallel()
	client, gone := unconnected(t)
	round := &batch{client: client}
	calls := []*call{
		round.add(settleScript, []string{"k"}, 1, 2, 3, 4, 5),
		round.add(settleScript, []string{"k"}, 1, 2, 3, 4, 5),
	}
	if err := round.exec(t.Context()); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	for _, c := range calls {
		if _, err := c.reply.Slice(); !errors.Is(err, gone) {
			t.Errorf("a call: %v", err)
		}
	}
}

// A migration takes a key for moved on Redis's word only: it deletes none for a connection that it
// did not get.
func TestNothingIsLostForWantOfAConnection(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	server.Start(t)
	options := server.Options()
	dial, dials := redis.NewDialer(options), 0
	options.MaxRetries = -1
	options.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials++; dials == 1 {
			return nil, io.EOF
		}
		return dial(ctx, network, address)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	direct := server.Client(t)
	if err := direct.Set(t.Context(), "from", "precious", 0).Err(); err != nil {
		t.Fatal(err)
	}
	m := &migration{Store: &Store{client: client}}
	if err := m.moveAll(t.Context(), []move{{"from", "to"}}); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	if kept, err := direct.Get(t.Context(), "from").Result(); kept != "precious" {
		t.Errorf("%q, %v", kept, err)
	}
}
