package stack

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// AddedUpstream is the upstream of additions. It has a model of its name, and no other.
const AddedUpstream = "added"

// Additions are tokens that are added one after the other, to see that none is lost whose
// addition was acknowledged.
type Additions struct {
	gateways []*Gateway
	// Stop ends them; it may be called again.
	Stop func()

	mu      sync.Mutex
	aliases []string // of those that were acknowledged
	refused int
}

// StartAdditions adds a token of AddedUpstream, which is at baseURL, three times a second, through
// the gateways in turn. The test's end stops it, if nobody has.
func StartAdditions(t testing.TB, gateways []*Gateway, baseURL string) *Additions {
	t.Helper()
	gateways[0].MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/upstreams/"+AddedUpstream,
		map[string]any{"driver": "openai", "base_url": baseURL, "models": []string{AddedUpstream}})
	var running sync.WaitGroup
	ended := make(chan struct{})
	a := &Additions{gateways: gateways, Stop: sync.OnceFunc(func() {
		close(ended)
		running.Wait()
	})}
	t.Cleanup(a.Stop)
	running.Go(func() {
		ticker := time.NewTicker(300 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			case <-ticker.C:
				a.add(t, i)
			}
		}
	})
	return a
}

func (a *Additions) add(t testing.TB, i int) {
	alias := fmt.Sprintf("added-%d", i)
	answer := a.gateways[i%len(a.gateways)].Admin(t, http.MethodPost, "/admin/api/tokens", map[string]any{
		"token": "sk-secret-" + alias + "-of-the-failover", "upstream": AddedUpstream, "alias": alias,
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	if answer.Status == http.StatusCreated {
		a.aliases = append(a.aliases, alias)
	} else {
		a.refused++
	}
}

// Acknowledged is how many were so far.
func (a *Additions) Acknowledged() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.aliases)
}

// Check ends them, and fails the test for each that was acknowledged and is not there.
func (a *Additions) Check(t testing.TB) {
	t.Helper()
	a.Stop()
	there := map[string]bool{}
	for _, token := range a.gateways[0].Tokens(t) {
		there[token.Alias] = true
	}
	lost := 0
	for _, alias := range a.aliases {
		if !there[alias] {
			t.Errorf("%s was acknowledged, and is not there", alias)
			lost++
		}
	}
	t.Logf("%d additions were acknowledged, %d refused, %d lost", len(a.aliases), a.refused, lost)
	if len(a.aliases) == 0 {
		t.Error("no addition was acknowledged")
	}
}
