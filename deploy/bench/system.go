package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"carousel.internal/proto/freeport"
)

// The systems, by name. Direct is what the others are compared with.
const (
	direct       = "direct"
	nginx        = "nginx"
	reverseProxy = "ReverseProxy"
	carousel     = "Carousel"
	// before is Carousel of an earlier commit, where one is named.
	before = "before"
)

var systemNames = []string{direct, nginx, reverseProxy, carousel, before}

// system is something that answers chat requests.
type system struct {
	name string
	addr string
	key  string
	// parts are the processes that cost; without the simulator.
	parts []*process
	// settle waits until what goes on after the answers is done. It may be nil.
	settle func(context.Context) error
	// profiled are the ops addresses of parts that can be profiled, by name.
	profiled map[string]string
	// roundTrips answers how many there have been to the tokenstore. It may be nil.
	roundTrips func(context.Context) (float64, error)
	// chatOnly: it knows no other API.
	chatOnly bool
}

// takes tells whether a system can be asked for a workload.
func (s *system) takes(w workload) bool { return !s.chatOnly || w.api == chatAPI }

// bench is everything that runs.
type bench struct {
	root   string // of the repository
	commit string // of the system before
	folder string // for everything that this run writes
	sim    *process
	simURL string
	// systems in the order of systemNames.
	systems   []*system
	processes []*process // in the order of their start
}

// newBench starts the simulator and the systems. Its owner calls close, after an
// error too.
func newBench(ctx context.Context, wanted []string, commit string) (*bench, error) {
	b := &bench{commit: commit}
	var err error
	if b.root, err = repositoryRoot(); err != nil {
		return b, err
	}
	if b.folder, err = os.MkdirTemp("", "carousel-bench"); err != nil {
		return b, err
	}
	if err := b.startSim(ctx); err != nil {
		return b, err
	}
	starters := map[string]func(context.Context) (*system, error){
		direct: b.direct, nginx: b.nginx, reverseProxy: b.reverseProxy, carousel: b.carousel, before: b.earlier,
	}
	for _, name := range wanted {
		s, err := starters[name](ctx)
		if err != nil {
			return b, err
		}
		s.name = name
		b.systems = append(b.systems, s)
	}
	return b, nil
}

// close stops everything, the last first, and removes what was written.
func (b *bench) close() {
	for len(b.processes) > 0 {
		last := len(b.processes) - 1
		b.processes[last].stop()
		b.processes = b.processes[:last]
	}
	if b.folder != "" {
		_ = os.RemoveAll(b.folder)
	}
}

// program builds a package of the repository, so that it is never stale, and
// answers the binary's path.
func (b *bench) program(ctx context.Context, pkg string) (string, error) {
	return build(ctx, b.root, pkg, b.folder)
}

// build builds a package of the source below root, and answers the binary's path.
func build(ctx context.Context, root, pkg, folder string) (string, error) {
	path := filepath.Join(folder, filepath.Base(pkg))
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", path, pkg)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, output)
	}
	return path, nil
}

// source unpacks a commit of the repository into a folder, once.
func (b *bench) source(ctx context.Context, commit, folder string) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	archive := folder + ".tar"
	for _, each := range []*exec.Cmd{
		exec.CommandContext(ctx, "git", "-C", b.root, "archive", "--format=tar", "-o", archive, commit),
		exec.CommandContext(ctx, "tar", "-x", "-f", archive, "-C", folder),
	} {
		if output, err := each.CombinedOutput(); err != nil {
			return fmt.Errorf("the source of %s: %w\n%s", commit, err, output)
		}
	}
	return nil
}

// start starts a process that close stops.
func (b *bench) start(ctx context.Context, name string, env []string, path string, args ...string) (*process, error) {
	return b.startIn(ctx, b.folder, name, env, path, args...)
}

// startIn is start for a process with its log in a folder of its own.
func (b *bench) startIn(ctx context.Context, folder, name string, env []string, path string, args ...string) (*process, error) {
	p, err := start(ctx, folder, name, env, path, args...)
	if err == nil {
		b.processes = append(b.processes, p)
	}
	return p, err
}

func (b *bench) startSim(ctx context.Context) error {
	path, err := b.program(ctx, "./deploy/upstreamsim/cmd/upstreamsim")
	if err != nil {
		return err
	}
	addr, err := freeport.Addr()
	if err != nil {
		return err
	}
	if b.sim, err = b.start(ctx, "upstreamsim", nil, path, "serve", "--addr", addr); err != nil {
		return err
	}
	b.simURL = "http://" + addr
	return b.sim.wait(ctx, listens(addr))
}

// simKey is a key that the simulator takes, as it takes any.
const simKey = "sk-bench-0000000000000000000000000000"

func (b *bench) direct(context.Context) (*system, error) {
	return &system{addr: strings.TrimPrefix(b.simURL, "http://"), key: simKey}, nil
}

func (b *bench) reverseProxy(ctx context.Context) (*system, error) {
	path, err := b.program(ctx, "./deploy/bench/reverseproxy")
	if err != nil {
		return nil, err
	}
	addr, err := freeport.Addr()
	if err != nil {
		return nil, err
	}
	p, err := b.start(ctx, "reverseproxy", nil, path, "-addr", addr, "-upstream", b.simURL)
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

// lookPath finds a program that Debian has in a package. Servers may be in
// folders that users' paths lack.
func lookPath(program, debianPackage string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, folder := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no %s here: apt-get install %s", program, debianPackage)
}

// repositoryRoot is the folder with go.work, here or above.
func repositoryRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", fmt.Errorf("not in the repository: no go.work above")
		}
		folder = parent
	}
}

// usage is what a system's parts have used so far, in their order.
func (s *system) usage() ([]time.Duration, error) {
	used := make([]time.Duration, len(s.parts))
	for i, part := range s.parts {
		var err error
		if used[i], err = cpuTime(part.pid()); err != nil {
			return nil, part.failure(err)
		}
	}
	return used, nil
}

// memory is what a system's parts hold now, in bytes, in their order.
func (s *system) memory() ([]int, error) {
	held := make([]int, len(s.parts))
	for i, part := range s.parts {
		var err error
		if held[i], err = resident(part.pid()); err != nil {
			return nil, part.failure(err)
		}
	}
	return held, nil
}
