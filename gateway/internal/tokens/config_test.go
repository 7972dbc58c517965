package tokens

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// fakeConfig is a ConfigServiceClient each of whose watches a test feeds.
type fakeConfig struct {
	tokenstorev1.ConfigServiceClient
	watches chan *fakeWatch
}

type fakeWatch struct {
	grpc.ClientStream
	ctx       context.Context
	replica   string
	responses chan *tokenstorev1.WatchResponse // closed: the watch breaks
}

func (f *fakeConfig) Watch(ctx context.Context, request *tokenstorev1.WatchRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[tokenstorev1.WatchResponse], error) {
	w := &fakeWatch{ctx: ctx, replica: request.GetReplica(), responses: make(chan *tokenstorev1.WatchResponse)}
	f.watches <- w
	return w, nil
}

func (w *fakeWatch) Recv() (*tokenstorev1.WatchResponse, error) {
	select {
	case <-w.ctx.Done():
		return nil, w.ctx.Err()
	case response, open := <-w.responses:
		if !open {
			return nil, errors.New("broken")
		}
		return response, nil
	}
}

func version(n uint64) *tokenstorev1.WatchResponse {
	return &tokenstorev1.WatchResponse{
		Settings: &tokenstorev1.Settings{Version: n}, AdminTokenHash: []byte{byte(n)},
		Pages:           make([]*tokenstorev1.Page, n),
		RevokedSessions: []*tokenstorev1.RevokedSession{{Id: "first"}, {Id: "second"}}[:min(n, 2)],
	}
}

func TestConfigIsWatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeConfig{watches: make(chan *fakeWatch, 1)}
		var told []uint64
		var c *Config
		c = NewConfig(store, "replica-1", func(now *tokenstorev1.WatchResponse) {
			told = append(told, now.GetSettings().GetVersion())
			if c.Settings().GetVersion() != now.GetSettings().GetVersion() {
				t.Error("told before it holds")
			}
		}, slog.New(slog.DiscardHandler))
		if c.Settings().GetVersion() != 0 || c.AdminTokenHash() != nil || c.Pages() != nil || c.SessionRevoked("first") || c.Ready(t.Context()) == nil {
			t.Error("there is a configuration before one came")
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })

		w := <-store.watches
		if w.replica != "replica-1" {
			t.Errorf("replica %q", w.replica)
		}
		w.responses <- version(1)
		synctest.Wait()
		if err := c.Ready(t.Context()); err != nil || len(told) != 1 {
			t.Errorf("%v, told %v", err, told)
		}
		w.responses <- version(2)
		synctest.Wait()
		if c.Settings().GetVersion() != 2 || c.AdminTokenHash()[0] != 2 || len(c.Pages()) != 2 || !c.SessionRevoked("second") || c.SessionRevoked("third") {
			t.Errorf("holds %v", c.Settings())
		}

		// The last one holds while the store is away, and the next watch goes on.
		close(w.responses)
		broke := time.Now()
		w = <-store.watches
		if waited := time.Since(broke); waited > 100*time.Millisecond {
			t.Errorf("watches again after %v", waited)
		}
		if c.Settings().GetVersion() != 2 || c.Ready(t.Context()) != nil {
			t.Error("the last configuration is gone")
		}
		w.responses <- version(3)
		synctest.Wait()
		if len(told) != 3 || told[2] != 3 {
			t.Errorf("told %v", told)
		}
		stop()
		running.Wait()
	})
}

// A store that is away is asked ever more rarely.
func TestConfigWatchBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeConfig{watches: make(chan *fakeWatch, 100)}
		c := NewConfig(store, "r", func(*tokenstorev1.WatchResponse) {}, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		tries := 0
		for ctx.Err() == nil {
			select {
			case w := <-store.watches:
				close(w.responses)
				tries++
			case <-ctx.Done():
			}
		}
		running.Wait()
		if tries < 40 || tries > 65 {
			t.Errorf("%d tries in a minute", tries)
		}
	})
}

// credentialServer notes what callers show.
type credentialServer struct {
	tokenstorev1.UnimplementedConfigServiceServer
	authorization chan []string
}

func (s *credentialServer) GetSettings(ctx context.Context, _ *tokenstorev1.GetSettingsRequest) (*tokenstorev1.GetSettingsResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.authorization <- md.Get("authorization")
	return &tokenstorev1.GetSettingsResponse{}, nil
}

func TestDialShowsTheSharedSecret(t *testing.T) {
	// A proxy for the outside is not for the pair's own network.
	t.Setenv("HTTPS_PROXY", "http://192.0.2.1:1")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := &credentialServer{authorization: make(chan []string, 1)}
	server := grpc.NewServer()
	tokenstorev1.RegisterConfigServiceServer(server, seen)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	defer serving.Wait()
	defer server.Stop()
	conn, err := Dial(listener.Addr().String(), secret.New("shared"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := tokenstorev1.NewConfigServiceClient(conn).GetSettings(ctx, &tokenstorev1.GetSettingsRequest{}, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	if got := <-seen.authorization; len(got) != 1 || got[0] != "Bearer shared" {
		t.Errorf("showed %q", got)
	}
}
