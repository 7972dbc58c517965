package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// profileSeconds is how long a CPU profile takes.
const profileSeconds = 5

// profile has gateway and tokenstore profiled under every workload, after the
// measurement, which it would disturb.
func (b *bench) profile(ctx context.Context, s settings) error {
	for _, each := range b.systems {
		for _, w := range s.plan.workloads {
			if len(each.profiled) == 0 {
				continue
			}
			if err := profileUnder(ctx, w, each, s.profile); err != nil {
				return err
			}
		}
	}
	return nil
}

func profileUnder(ctx context.Context, w workload, s *system, folder string) error {
	load, err := newLoad(ctx, w, s.addr, s.key)
	if err != nil {
		return err
	}
	defer load.close()
	var running sync.WaitGroup
	defer running.Wait()
	problems := make(chan error, len(s.profiled))
	for name, opsAddr := range s.profiled {
		running.Go(func() {
			problems <- save(ctx, opsAddr, filepath.Join(folder, fmt.Sprintf("%s-%s.pprof", name, w)))
		})
	}
	took := load.run((profileSeconds + 1) * time.Second)
	for range s.profiled {
		took.errors = append(took.errors, <-problems)
	}
	return errors.Join(took.errors...)
}

func save(ctx context.Context, opsAddr, path string) error {
	profile, err := call(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", opsAddr, profileSeconds), "", nil)
	if err != nil {
		return err
	}
	return os.WriteFile(path, profile, 0o600)
}
