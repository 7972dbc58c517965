package redisstore

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of every talk with Redis.
const (
	dialTimeout = 2 * time.Second
	poolTimeout = 2 * time.Second
	// readTimeout is longer than a Barrier waits for the disk.
	readTimeout  = syncTimeout + time.Second
	writeTimeout = 2 * time.Second
)

// ParseURL reads where Redis is: a redis, rediss or unix URL, or a bare
// host:port. Several hosts, with commas between, are the seeds of a cluster;
// with the parameter `master=NAME` they are sentinels; with `cluster=true` one
// host is a cluster's. Its errors don't repeat the password.
func ParseURL(text string) (*redis.UniversalOptions, error) {
	if text == "" {
		return nil, errors.New("a URL such as redis://host:6379/0 wanted")
	}
	if !strings.Contains(text, "://") {
		text = "redis://" + text
	}
	single, hosts := firstHost(text)
	parsed, err := url.Parse(single)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	query := parsed.Query()
	master, cluster := query.Get("master"), query.Get("cluster") == "true"
	query.Del("master")
	query.Del("cluster")
	parsed.RawQuery = query.Encode()
	options, err := redis.ParseURL(parsed.String())
	if err != nil {
		return nil, fmt.Errorf("a URL such as redis://host:6379/0 wanted: %s", withoutURL(err))
	}
	addrs, err := withPorts(options, hosts)
	if err != nil {
		return nil, err
	}
	return &redis.UniversalOptions{
		Addrs: addrs, MasterName: master, IsClusterMode: cluster, DB: options.DB, TLSConfig: options.TLSConfig,
		Username: options.Username, Password: options.Password, ClientName: "tokenstore",
		DialTimeout: dialTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, PoolTimeout: poolTimeout,
		ContextTimeoutEnabled: true,
		// A script that was sent may have run: only its caller knows whether it may run
		// twice.
		MaxRetries: -1,
	}, nil
}

// firstHost returns the URL with only the first of its hosts, and all hosts.
func firstHost(text string) (string, []string) {
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme == "unix" {
		return text, nil
	}
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	user, list := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, list = authority[:at+1], authority[at+1:]
	}
	hosts := strings.Split(list, ",")
	return scheme + "://" + user + hosts[0] + tail, hosts
}

func withPorts(options *redis.Options, hosts []string) ([]string, error) {
	addrs := []string{options.Addr}
	for i, host := range hosts {
		if i == 0 {
			continue // the client library has read it
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(host, "6379")
		}
		if strings.HasPrefix(host, ":") {
			return nil, errors.New("a host is missing between commas")
		}
		addrs = append(addrs, host)
	}
	return addrs, nil
}

// withoutURL words an error of the URL without the URL itself.
func withoutURL(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err.Error()
	}
	return err.Error()
}

// Connect makes a client of the Redis that the URL names. It does not wait for
// it to be there.
func Connect(text string) (redis.UniversalClient, error) {
	options, err := ParseURL(text)
	if err != nil {
		return nil, err
	}
	return redis.NewUniversalClient(options), nil
}
