package redisstore

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/tokenstore/internal/testredis"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	type parsed struct {
		Addrs            []string
		Master           string
		Cluster          bool
		DB               int
		Username, Secret string
		TLS              bool
	}
	for text, want := range map[string]parsed{
		"host":                              {Addrs: []string{"host:6379"}},
		"host:1":                            {Addrs: []string{"host:1"}},
		"redis://host:1/2":                  {Addrs: []string{"host:1"}, DB: 2},
		"rediss://u:p@host":                 {Addrs: []string{"host:6379"}, Username: "u", Secret: "p", TLS: true},
		"unix:///run/redis.sock?db=3":       {Addrs: []string{"/run/redis.sock"}, DB: 3},
		"redis://u:p@a:1,b,c:3/1":           {Addrs: []string{"a:1", "b:6379", "c:3"}, Username: "u", Secret: "p", DB: 1},
		"redis://a:1?cluster=true":          {Addrs: []string{"a:1"}, Cluster: true},
		"redis://a:26379,b:26379?master=mm": {Addrs: []string{"a:26379", "b:26379"}, Master: "mm"},
	} {
		got, err := ParseURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		shown := parsed{got.Addrs, got.MasterName, got.IsClusterMode, got.DB, got.Username, got.Password, got.TLSConfig != nil}
		if diff := cmp.Diff(want, shown); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{"", "http://host", "redis://u:hush@host/x", "redis://u:hush@a:1,,b", "redis://u:hush@ho st", "redis://h?what=1"} {
		_, err := ParseURL(text)
		if err == nil {
			t.Errorf("%q is accepted", text)
		} else if strings.Contains(err.Error(), "hush") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestConnect(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	client, err := Connect("unix://" + server.Options().Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := newStore(t, client).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := Connect(""); err == nil {
		t.Error("no address is accepted")
	}
}
