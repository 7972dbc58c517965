package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"carousel.internal/proto/freeport"
)

// The systems, by name. Direct is what the others are compared with.
const (
	direct       = "direct"
	nginx        = "nginx"
	reverseProxy = "ReverseProxy"
	raw          = "raw"
	carousel     = "Carousel"
	// clientKey and budgetKey are Carousel, asked with client keys instead of the admin token.
	clientKey = "key"
	budgetKey = "budget"
	// capped is Carousel whose tokens have a cap.
	capped = "capped"
	// before is Carousel of an earlier commit, where one is named.
	before = "before"
)

var systemNames = []string{direct, nginx, reverseProxy, raw, carousel, clientKey, budgetKey, capped, before}

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
	// shared: its parts are another system's.
	shared bool
	// only has the workloads that it is asked for; empty: all.
	only []workload
}

// takes tells whether a system is asked for a workload.
func (s *system) takes(w workload) bool { return len(s.only) == 0 || slices.Contains(s.only, w) }

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
		direct: b.direct, nginx: b.nginx, reverseProxy: b.reverseProxy, raw: b.raw, carousel: b.carousel,
		clientKey: b.clientKey, budgetKey: b.budgetKey, capped: b.withCaps, before: b.earlier,
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

// tags are those of the Makefile and of the images.
const tags = "grpcnotrace,nomsgpack"

// build builds a package of the source below root, and answers the binary's path.
func build(ctx context.Context, root, pkg, folder string) (string, error) {
	path := filepath.Join(folder, filepath.Base(pkg))
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", tags, "-o", path, pkg)
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
	if err := b.sim.wait(ctx, listens(addr)); err != nil {
		return err
	}
	_, err = call(ctx, http.MethodPost, b.simURL+"/sim/rules", simKey, map[string]any{
		"model": slowModel, "chunk_delay_ms": slowInterval.Milliseconds(),
	})
	return err
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
