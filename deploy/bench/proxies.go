package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"carousel.internal/proto/freeport"
)

// simKey is a key that the simulator takes, as it takes any.
const simKey = "sk-bench-0000000000000000000000000000"

func (b *bench) direct(context.Context) (*system, error) {
	return &system{addr: strings.TrimPrefix(b.simURL, "http://"), key: simKey}, nil
}

func (b *bench) reverseProxy(ctx context.Context) (*system, error) {
	return b.proxy(ctx, "./deploy/bench/reverseproxy", b.simURL)
}

// raw passes on what it does not know either; so one API shows all that there is.
func (b *bench) raw(ctx context.Context) (*system, error) {
	s, err := b.proxy(ctx, "./deploy/bench/rawproxy", strings.TrimPrefix(b.simURL, "http://"))
	if err == nil {
		s.only = chatWorkloads
	}
	return s, err
}

// proxy starts a proxy of this repository.
func (b *bench) proxy(ctx context.Context, pkg, upstream string) (*system, error) {
	path, err := b.program(ctx, pkg)
	if err != nil {
		return nil, err
	}
	addr, err := freeport.Addr()
	if err != nil {
		return nil, err
	}
	p, err := b.start(ctx, filepath.Base(pkg), nil, path, "-addr", addr, "-upstream", upstream)
	if err != nil {
		return nil, err
	}
	return &system{addr: addr, key: simKey, parts: []*process{p}}, p.wait(ctx, listens(addr))
}

// nginxConfig is nginx at its best for this: as many workers as cores, connections
// kept on both sides, nothing buffered, nothing logged.
const nginxConfig = `
daemon off;
worker_processes auto;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	keepalive_requests 100000000;
	keepalive_timeout 1h;
	tcp_nodelay on;
	upstream simulator {
		server %s;
		keepalive 256;
		keepalive_requests 100000000;
		keepalive_timeout 1h;
	}
	server {
		listen %s;
		location / {
			proxy_pass http://simulator;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_buffering off;
			proxy_read_timeout 1h;
		}
	}
}
`

func (b *bench) nginx(ctx context.Context) (*system, error) {
	path, err := lookPath("nginx", "nginx-light")
	if err != nil {
		return nil, err
	}
	addr, err := freeport.Addr()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(b.folder, "nginx")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(nginxConfig, strings.TrimPrefix(b.simURL, "http://"), addr)
	if err := os.WriteFile(filepath.Join(folder, "nginx.conf"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	p, err := b.start(ctx, "nginx", nil, path, "-p", folder, "-e", "stderr", "-c", "nginx.conf")
	if err != nil {
		return nil, err
	}
	return &system{addr: addr, key: simKey, parts: []*process{p}}, p.wait(ctx, listens(addr))
}
