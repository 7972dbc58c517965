package faults_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

const (
	// accounts is how many there are, and accessLife how long their access tokens live,
	// in seconds: 33 of them are renewed a second.
	accounts   = 1000
	accessLife = 60
	// answering is how long the upstream takes, in ms, from when a refresh token is used up to
	// when it tells the next one: three are between that at any time.
	answering = 100
	// killEvery is about how often a process is killed.
	killEvery = 10 * time.Second
	// settled is how long after an upstream's answer it may take until the store has it:
	// who is killed before that leaves the use of a refresh token to be repeated.
	settled = 10 * time.Second
)

// fleet is a stack whose cursor upstream has accounts that log in, with what was killed.
type fleet struct {
	bench
	streams *stack.Running
	kills   []kill
	// joining waits for gateways that were started again.
	joining sync.WaitGroup
}

// kill is the end of a process. Connections are those that a gateway had.
type kill struct {
	gateway     int // -1: a tokenstore
	before, at  time.Time
	connections map[string]bool
}

// A thousand accounts whose access tokens live a minute, three gateways and two tokenstores,
// of which one is killed at random every ten seconds, for as long as ACCOUNTS says: no account
// is lost, no request fails but those that a killed gateway had in hand, and no refresh token
// is used twice but where the first user was killed before it could say what it had got.
func TestAccounts(t *testing.T) {
	skipUnlessAsked(t)
	lasts := time.Minute
	if text := os.Getenv("ACCOUNTS"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	f := startFleet(t)
	f.shoot()
	f.killAtRandom(lasts)
	whole, streamed := f.load.Stop(), f.streams.Stop()
	f.checkShots(whole, false)
	f.checkShots(streamed, true)
	f.checkAccounts()
	f.checkUses()
	f.checkLeases(f.Gateways[0])
	f.checkSimulator()
}

func startFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{bench: bench{t: t, Stack: stack.Start(t, stack.Options{
		Gateways: 3, Tokenstores: 2, TokenstoreEnv: []string{"LEASE_TTL=10s", "LOG_RETENTION_COUNT=1000000"},
		GatewayEnv: []string{"LOG_SPOOL_DIR=" + t.TempDir()},
	})}}
	f.PutUpstream("cursor", map[string]any{"driver": "cursor", "base_url": f.SimURL, "settings": map[string]string{"protocol": "agent"}})
	f.importAccounts()
	warmUp := stack.Load{Gateways: f.Gateways, Rate: 50, Model: accountModel}.Start(t)
	<-time.After(5 * time.Second) // connections, lists of models
	warmUp.Stop()
	return f
}

// accountModel is what the load asks for.
const accountModel = "cursor/composer-2.5"

// importAccounts makes the accounts and brings them in as an export of another pool does.
func (f *fleet) importAccounts() {
	f.t.Helper()
	made, err := f.Sim.CreateAccounts(accounts, upstreamsim.AccountSettings{LifetimeS: accessLife, DelayMS: answering})
	if err != nil {
		f.t.Fatal(err)
	}
	items := make([]map[string]string, accounts)
	for i, account := range made {
		items[i] = map[string]string{"token": account.AccessToken, "refresh_token": account.RefreshToken, "upstream": "cursor"}
	}
	content, err := json.Marshal(items)
	if err != nil {
		f.t.Fatal(err)
	}
	began := time.Now()
	answer := f.Gateways[0].MustAdmin(f.t, http.StatusOK, http.MethodPost, "/admin/api/tokens/import",
		map[string]string{"content": string(content), "format": "json", "upstream": "cursor"})
	var report struct{ Accepted int }
	answer.JSON(f.t, &report)
	if report.Accepted != accounts {
		f.t.Fatalf("%d accounts were accepted: %.500s", report.Accepted, answer.Body)
	}
	f.t.Logf("%d accounts imported in %s", accounts, time.Since(began).Round(time.Millisecond))
}

// shoot begins the load: 25 streams and 25 whole answers a second.
func (f *fleet) shoot() {
	f.load = stack.Load{Gateways: f.Gateways, Rate: 25, Model: accountModel}.Start(f.t)
	f.streams = stack.Load{Gateways: f.Gateways, Rate: 25, Model: accountModel, Stream: true}.Start(f.t)
}

// killAtRandom kills one process after the other, whichever it is, and starts each again at
// once.
func (f *fleet) killAtRandom(lasts time.Duration) {
	f.t.Helper()
	seed := uint64(time.Now().UnixNano())
	f.t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	for ends := time.Now().Add(lasts); time.Now().Before(ends); {
		f.during(killEvery/2 + time.Duration(chance.Int64N(int64(killEvery))))
		victim := chance.IntN(len(f.Gateways) + len(f.Tokenstores))
		if victim < len(f.Gateways) {
			f.killGateway(victim)
			continue
		}
		victim -= len(f.Gateways)
		f.mark("tokenstore %d is killed", victim+1)
		f.kills = append(f.kills, kill{gateway: -1, before: time.Now(), at: time.Now()})
		f.Tokenstores[victim].Restart()
	}
	f.during(killEvery / 2)
	f.joining.Wait()
}

// killGateway notes what a gateway is connected to, and kills it.
func (f *fleet) killGateway(n int) {
	f.t.Helper()
	gateway := f.Gateways[n]
	before := f.mark("gateway %d is killed", n+1)
	gateway.Freeze()
	connections, err := gateway.Connections()
	if err != nil || len(connections) == 0 {
		f.t.Fatalf("gateway %d has %d connections: %v", n+1, len(connections), err)
	}
	gateway.Kill()
	f.kills = append(f.kills, kill{gateway: n, before: before, at: time.Now(), connections: connections})
	gateway.Leave()
	gateway.Start()
	f.joining.Go(func() { f.join(gateway) })
}

// join gives a gateway requests again when it is ready, as a load balancer does.
func (f *fleet) join(gateway *stack.Gateway) {
	defer gateway.Join()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if status, _ := stack.Readyz(context.WithoutCancel(f.t.Context()), gateway.Ops); status == http.StatusOK {
			return
		}
	}
	f.t.Error("a gateway that was started again is not ready within a minute")
}

// checkShots fails the test for each request that failed, but those that a killed gateway
// had in hand.
func (f *fleet) checkShots(shots []stack.Shot, streamed bool) {
	f.t.Helper()
	if len(shots) == 0 {
		f.t.Fatal("there was no load")
	}
	for i, shot := range shots {
		cut := !strings.HasSuffix(shot.Body, "data: [DONE]\n\n") || strings.Contains(shot.Body, `"error"`)
		if streamed && shot.OK() && cut {
			shots[i].Status = 0 // as far as the client is concerned
		}
	}
	f.t.Logf("%d requests, streamed: %t", len(shots), streamed)
	f.checkAnswers(shots, func(shot stack.Shot) bool {
		for _, kill := range f.kills {
			if shot.Gateway == kill.gateway && shot.Began.Before(kill.at) && shot.Began.Add(shot.Took).After(kill.before) {
				return true
			}
		}
		return false
	})
}

// checkAccounts waits until each account has been refreshed after the last kill, which none
// is that was lost.
func (f *fleet) checkAccounts() {
	f.t.Helper()
	last := f.kills[len(f.kills)-1].at
	var late, lost, failing int
	// Half of a life until each is due, and the longest pause of one that was postponed.
	for deadline := time.Now().Add(2 * accessLife * time.Second); time.Now().Before(deadline); f.during(time.Second) {
		if late, lost, failing = f.standing(last); late == 0 {
			break
		}
	}
	f.t.Logf("of %d accounts %d need a login, %d were not refreshed since the last kill, %d in vain", accounts, lost, late, failing)
	if late+lost+failing > 0 {
		f.t.Error("accounts were lost")
	}
	if book := f.Sim.Logins(); book.Lost > 0 {
		f.t.Errorf("the upstream has lost %d accounts: %.500s", book.Lost, strings.Join(book.LostSubjects, " "))
	}
}

// standing counts the accounts that were not refreshed since then, that need a login, and
// whose refresh failed.
func (f *fleet) standing(since time.Time) (late, lost, failing int) {
	f.t.Helper()
	var page struct {
		Tokens []struct {
			State        string     `json:"state"`
			NeedsLogin   bool       `json:"needs_login"`
			RefreshError *string    `json:"refresh_error"`
			RefreshedAt  *time.Time `json:"refreshed_at"`
		} `json:"tokens"`
	}
	f.Gateways[0].MustAdmin(f.t, http.StatusOK, http.MethodGet, "/admin/api/tokens?upstream=cursor&limit=1000", nil).JSON(f.t, &page)
	if len(page.Tokens) != accounts {
		f.t.Fatalf("there are %d accounts", len(page.Tokens))
	}
	for _, token := range page.Tokens {
		if token.RefreshedAt == nil || token.RefreshedAt.Before(since) {
			late++
		}
		if token.NeedsLogin || token.State == "parked" || token.State == "expired" {
			lost++
		}
		if token.RefreshError != nil {
			failing++
			f.t.Logf("refreshed in vain: %s", *token.RefreshError)
		}
	}
	return late, lost, failing
}

// checkUses looks at what the upstream saw of refresh tokens and of access tokens that had
// ended.
func (f *fleet) checkUses() {
	f.t.Helper()
	book := f.Sim.Logins()
	excused := 0
	for _, double := range book.Doubles {
		if f.wasKilled(double) {
			excused++
			continue
		}
		f.t.Errorf("a refresh token of %s was used at %s over %s, and again at %s over %s; refused %t, the first unanswered %t", double.Subject,
			double.FirstAt.Format("15:04:05.000"), double.FirstConnection, double.At.Format("15:04:05.000"), double.Connection,
			double.Refused, double.FirstUnanswered)
	}
	f.t.Logf("%d refreshes, %d refused; %d refresh tokens used again, %d of them since the first user was killed; %d requests with an access token that had ended",
		book.Refreshes, book.Refused, book.DoubleRefreshes, excused, book.Expired)
	if int(book.DoubleRefreshes) != len(book.Doubles) {
		f.t.Error("there are more of them than are known")
	}
}

// wasKilled tells whether the first user of a refresh token was killed before it could have
// told the store what it had got.
func (f *fleet) wasKilled(double upstreamsim.DoubleRefresh) bool {
	for _, kill := range f.kills {
		if kill.connections[double.FirstConnection] && !double.FirstAt.After(kill.at) && kill.before.Sub(double.FirstAt) < settled {
			return true
		}
	}
	return false
}

// checkSimulator looks whether any request broke a rule of the upstream.
func (f *fleet) checkSimulator() {
	f.t.Helper()
	for _, violation := range f.Sim.Ledger().Violations {
		f.t.Errorf("the upstream complains: %q", violation.Problems)
	}
	runs := f.Sim.AgentRuns()
	f.t.Logf("Runs by their end: %v, %d are open", runs.Ends, runs.Open)
	if runs.Ends[upstreamsim.EndTurn] == 0 || runs.Open > 0 {
		f.t.Error("these are no Runs of the agent's protocol, or some have no end")
	}
}
