package keys_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

func TestMain(m *testing.M) { stack.Main(m) }

const (
	model = "gpt-test"
	// question is answered with as many tokens at each time.
	question = "one two three four five six"
)

// fleet is a stack whose gateways are asked in turn, and a price for its model. No balancer is in
// between: one that closes idle connections loses requests of a thousand clients at once, and then
// nobody knows what became of them.
type fleet struct {
	*stack.Stack
	addresses []string
	asked     atomic.Uint64
	// answer is how many tokens an answer to question has, prompt those of the question.
	answer, prompt int
	// price is of a token of an answer, in pico-dollars. Those of a question cost nothing.
	price uint64
	http  *http.Client
}

// address is that of the gateway whose turn it is.
func (f *fleet) address() string {
	return f.addresses[f.asked.Add(1)%uint64(len(f.addresses))]
}

// perDollar is how many answers a dollar pays for.
const perDollar = 500

func start(t *testing.T, options stack.Options) *fleet {
	t.Helper()
	options.Gateways, options.Tokenstores = 3, 2
	options.Sim.SlowInterval = 200 * time.Millisecond
	f := &fleet{Stack: stack.Start(t, options)}
	f.AddTokens("openai", "o", 8, 0)
	f.PutUpstream("anthropic", map[string]any{"driver": "anthropic", "base_url": f.SimURL, "models": []string{"claude-test"}})
	f.AddTokens("anthropic", "a", 2, 0)
	for _, gateway := range f.Gateways {
		f.addresses = append(f.addresses, gateway.URL)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1500}
	t.Cleanup(transport.CloseIdleConnections)
	f.http = &http.Client{Transport: stack.Judged(t, transport)}
	first := f.ask(t.Context(), f.address(), stack.AdminToken, body(model, 0))
	if first.status != http.StatusOK {
		t.Fatalf("%d %s", first.status, first.text)
	}
	f.answer, f.prompt = first.usage.Completion, first.usage.Prompt
	f.price = dollar / perDollar / uint64(f.answer)
	f.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/prices", map[string]any{"prices": []map[string]any{
		{"match": model, "input_per_million": "0.00", "output_per_million": fmt.Sprintf("%d.%06d", f.price/1_000_000, f.price%1_000_000)},
	}})
	for _, gateway := range f.Gateways {
		stack.Eventually(t, "the gateway has the price", 10*time.Second, func() bool {
			return f.costOf(t, f.ask(t.Context(), gateway.URL, stack.AdminToken, body(model, 0))) == f.price*uint64(f.answer)
		})
	}
	return f
}

// dollar is one, in pico-dollars.
const dollar = 1_000_000_000_000

// costOf waits until a request is in the log, and answers what it cost there.
func (f *fleet) costOf(t *testing.T, shot shot) uint64 {
	t.Helper()
	var entry struct {
		Cost *string `json:"cost_usd"`
	}
	stack.Eventually(t, "the request is in the log", 10*time.Second, func() bool {
		found := f.Gateways[0].Admin(t, http.MethodGet, "/admin/api/logs/"+shot.id, nil)
		return found.Status == http.StatusOK && json.Unmarshal(found.Body, &entry) == nil
	})
	if entry.Cost == nil {
		return 0
	}
	return pico(t, *entry.Cost)
}

// pico reads dollars, such as 0.001, as pico-dollars.
func pico(t *testing.T, dollars string) uint64 {
	t.Helper()
	whole, fraction, _ := strings.Cut(dollars, ".")
	amount, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", 12-len(fraction)), 10, 64)
	if err != nil {
		t.Fatalf("%q: %v", dollars, err)
	}
	return amount
}

// key is a client key as the admin API shows it.
type key struct {
	ID     string `json:"id"`
	Secret string `json:"-"`
	Left   []struct {
		Limit, Unit, Period, Amount, Used, Reserved, Left string
	} `json:"left"`
}

// create makes a key with what is more than its name.
func (f *fleet) create(t *testing.T, more map[string]any) key {
	t.Helper()
	fields := map[string]any{"name": t.Name()}
	for name, value := range more {
		fields[name] = value
	}
	var created struct {
		Key    key    `json:"key"`
		Secret string `json:"secret"`
	}
	f.Gateways[0].MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/keys", fields).JSON(t, &created)
	created.Key.Secret = created.Secret
	return created.Key
}

// at is the key as a gateway tells of it now.
func (f *fleet) at(t *testing.T, gateway *stack.Gateway, id string) key {
	t.Helper()
	var told struct {
		Key *key `json:"key"`
	}
	answer := gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/keys/"+id, nil)
	answer.JSON(t, &told)
	if told.Key != nil {
		return *told.Key
	}
	var plain key
	answer.JSON(t, &plain)
	return plain
}

// settled waits until nothing is set aside for the key, and answers what is used of its only limit.
func (f *fleet) settled(t *testing.T, k key, limit time.Duration) string {
	t.Helper()
	var now key
	stack.Eventually(t, "nothing is set aside for the key", limit, func() bool {
		now = f.at(t, f.Gateways[0], k.ID)
		return len(now.Left) == 1 && strings.Trim(now.Left[0].Reserved, "0.") == ""
	})
	return now.Left[0].Used
}

// body is a chat request for at most so many tokens of an answer; 0: it does not say.
func body(model string, most int) string {
	request := map[string]any{"model": model, "messages": []map[string]string{{"role": "user", "content": question}}}
	if most > 0 {
		request["max_tokens"] = most
	}
	text, _ := json.Marshal(request) // strings and numbers
	return string(text)
}

// shot is the answer to one request.
type shot struct {
	id     string
	status int
	// code is that of an error.
	code  string
	text  string
	usage struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	}
	header http.Header
	err    error
}

func (f *fleet) ask(ctx context.Context, url, secret, body string) shot {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return shot{err: err}
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	request.Header.Set("Content-Type", "application/json")
	response, err := f.http.Do(request)
	if err != nil {
		return shot{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return shot{status: response.StatusCode, err: err}
	}
	return shotOf(response, text)
}

// shotOf reads an answer whose body is text.
func shotOf(response *http.Response, text []byte) shot {
	got := shot{id: "chatcmpl-" + response.Header.Get("X-Request-Id"), status: response.StatusCode, text: string(text), header: response.Header}
	var answer struct {
		Usage any `json:"usage"`
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	answer.Usage = &got.usage
	if json.Unmarshal(text, &answer) == nil {
		got.code = answer.Error.Code
	}
	return got
}

// burst asks n times at once, and counts the answers by status and code.
func (f *fleet) burst(t *testing.T, n int, secret, body string) map[string]int {
	t.Helper()
	var (
		asking sync.WaitGroup
		mu     sync.Mutex
	)
	counts := map[string]int{}
	for range n {
		asking.Go(func() {
			got := f.ask(t.Context(), f.address(), secret, body)
			mu.Lock()
			defer mu.Unlock()
			counts[outcome(got)]++
		})
	}
	asking.Wait()
	return counts
}

// served is the outcome of a request that was answered.
const served = "200"

func outcome(got shot) string {
	switch {
	case got.err != nil:
		return got.err.Error()
	case got.code != "":
		return fmt.Sprint(got.status, " ", got.code)
	default:
		return fmt.Sprint(got.status)
	}
}

// only fails where there are other outcomes than these.
func only(t *testing.T, counts map[string]int, wanted ...string) {
	t.Helper()
	for _, each := range wanted {
		delete(counts, each)
	}
	if len(counts) > 0 {
		t.Errorf("other answers: %v", counts)
	}
}

// slowed has each answer take so long, until the test's end.
func (f *fleet) slowed(t *testing.T, by time.Duration) {
	t.Helper()
	if err := f.Sim.SetRule(upstreamsim.Rule{Delay: by}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Sim.ClearRules)
}
