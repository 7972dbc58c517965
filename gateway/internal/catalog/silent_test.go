package catalog

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// Who did not tell its models is known until it does, or has no tokens, or is gone.
func TestSilentUpstreamsAreKnown(t *testing.T) {
	away := errors.New("away")
	for name, end := range map[string]func(r *rig){
		"it tells":       func(r *rig) { r.tells([]chat.Model{{ID: "a"}}, nil); pause(retryFirst) },
		"its token goes": func(r *rig) { r.SetStocked(nil) },
		"it goes":        func(r *rig) { r.Update(nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			running(t, func(t *testing.T, r *rig) {
				if got := r.Silent(); len(got) != 0 {
					t.Errorf("before anybody was asked: %v", got)
				}
				r.tells(nil, away)
				r.SetStocked([]string{"open"})
				r.Update([]upstream.Config{open, {Name: "cursor", Driver: "cursor"}}, nil)
				synctest.Wait()
				if got := r.Silent(); !slices.Equal(slices.Collect(maps.Keys(got)), []string{"open"}) || !errors.Is(got["open"], away) {
					t.Errorf("silent are %v", got)
				}
				end(r)
				synctest.Wait()
				if got := r.Silent(); len(got) != 0 {
					t.Errorf("afterwards: %v", got)
				}
			})
		})
	}
}
