package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// sizesAccounts are spread over sizesUpstreams.
	sizesAccounts = 10_000
	// sizesEntries are in the request log; LOG_ENTRIES is another number, such as 1000000.
	sizesEntries = 100_000
	// mostWork is what a page may take of the processors of gateway, tokenstore and Redis, with
	// room for machines that are slow or busy.
	mostWork = 250 * time.Millisecond
)

// sizesUpstreams are those of the accounts.
var sizesUpstreams = []string{"openai", "cursor", "deepseek", "groq", "moonshot"}

// sizesModels are what the log's entries asked for.
var sizesModels = []string{"gpt-test", "gpt-4o", "deepseek-chat", "llama-3.3-70b", "kimi-k2", "sonnet"}

// Any page of the site is cheap, whatever there is of accounts and requests.
func TestPagesOfManyAccountsAndRequests(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	crowd := makeCrowd(t, s)
	crowd.session = loginCookie(t, gateway)
	entry := crowd.log(t)

	report := &strings.Builder{}
	table := tabwriter.NewWriter(report, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "first ms\tms\twork ms\tof Redis\tbytes\tcompressed\t page\t")
	for _, path := range crowd.pages(entry) {
		look := crowd.look(t, path)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t %s\t\n", inMS(look.first), inMS(look.median), inMS(look.work), inMS(look.ofRedis), look.size, look.compressed, path)
		if look.work > mostWork {
			t.Errorf("%s takes %s ms of the processors, at most %s wanted", path, inMS(look.work), inMS(mostWork))
		}
	}
	_ = table.Flush()
	t.Logf("%d accounts, %d requests\n%s", sizesAccounts, crowd.entries, report)
}

func inMS(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64)
}

// crowd is a pair with a lot of accounts and requests.
type crowd struct {
	*stack.Stack
	redis *redis.Client
	ids   []string
	// telling are those whose upstream tells what is left.
	telling []string
	entries int
	session string
	client  *http.Client
}

// makeCrowd adds the accounts: some are disabled, some have expired, and some rest after a failure.
func makeCrowd(t *testing.T, s *stack.Stack) *crowd {
	t.Helper()
	gateway := s.Gateways[0]
	c := &crowd{Stack: s, redis: s.RedisClient(), client: stack.Client(t)}
	t.Cleanup(func() { _ = c.redis.Close() })
	began := time.Now()
	for i, name := range sizesUpstreams {
		if i > 1 { // the others are there
			s.PutUpstream(name, map[string]any{"driver": "openai", "base_url": s.SimURL + "/v1", "models": sizesModels[i : i+1]})
		}
		lines := make([]string, 0, sizesAccounts/len(sizesUpstreams))
		for n := range sizesAccounts / len(sizesUpstreams) {
			lines = append(lines, fmt.Sprintf("%s-%05d::sk-secret-of-%s-%05d-of-many", name, n, name, n))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		body := fmt.Sprintf(`{"content": %q, "format": "token", "upstream": %q}`, strings.Join(lines, "\n"), name)
		got, err := trySend(ctx, t, gateway, http.MethodPost, "/admin/api/tokens/import", stack.AdminToken, body, nil)
		cancel()
		if err != nil || got.status != http.StatusOK {
			t.Fatalf("import: %d %v %s", got.status, err, excerpt(got.body))
		}
	}
	t.Logf("%d accounts were added in %s", sizesAccounts, time.Since(began).Round(time.Millisecond))
	for cursor := ""; len(c.ids) < sizesAccounts; {
		var page struct {
			Tokens []struct {
				ID       string `json:"id"`
				Upstream string `json:"upstream"`
			} `json:"tokens"`
			Next string `json:"next"`
		}
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens?limit=1000&cursor="+url.QueryEscape(cursor), nil).JSON(t, &page)
		for _, each := range page.Tokens {
			c.ids = append(c.ids, each.ID)
			if each.Upstream == "cursor" {
				c.telling = append(c.telling, each.ID)
			}
		}
		if cursor = page.Next; cursor == "" && len(c.ids) < sizesAccounts {
			t.Fatalf("%d accounts are listed", len(c.ids))
		}
	}
	var some []string
	for i := 0; i < len(c.ids); i += 20 {
		some = append(some, c.ids[i])
	}
	half := len(some) / 2
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/bulk", map[string]any{"action": "disable", "ids": some[:half]})
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/bulk", map[string]any{
		"action": "disable", "ids": some[half:], "until": time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339),
	})
	c.tire(t)
	return c
}

// tire has some accounts fail, so that they rest or are parked.
func (c *crowd) tire(t *testing.T) {
	t.Helper()
	for n := range 120 {
		scenario := "http-429"
		if n%4 == 0 {
			scenario = "http-401"
		}
		rule := upstreamsim.Rule{Scenario: scenario, Times: 1, RetryAfter: 10 * time.Hour}
		if err := c.Sim.SetRule(rule); err != nil {
			t.Fatal(err)
		}
		post(t, c.Gateways[0], stack.AdminToken, chatBody("openai/gpt-test", "Hello.", false)) // another account answers
	}
	var pool struct {
		Tokens []struct{} `json:"tokens"`
		Total  int        `json:"total"`
	}
	for _, state := range []string{"cooling", "parked", "disabled"} {
		c.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens?count=true&limit=1&state="+state, nil).JSON(t, &pool)
		t.Logf("%d accounts are %s", pool.Total, state)
	}
}

// log fills the request log as gateways do, and returns the id of an entry.
func (c *crowd) log(t *testing.T) string {
	t.Helper()
	c.entries = sizesEntries
	if text := os.Getenv("LOG_ENTRIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("LOG_ENTRIES: %s", err)
		}
		c.entries = n
	}
	if c.entries < 1 {
		t.Fatal("LOG_ENTRIES: at least 1")
	}
	c.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"log_retention_count": max(c.entries, 1000)})
	conn, err := grpc.NewClient(c.TokenstoreAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(bearer{}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	c.tell(t, tokenstorev1.NewTokenServiceClient(conn))
	requests := tokenstorev1.NewRequestLogServiceClient(conn)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	began := time.Now()
	const batch = 1000
	for first := 0; first < c.entries; first += batch {
		request := &tokenstorev1.AppendRequest{Replica: "crowd"}
		for n := first; n < min(first+batch, c.entries); n++ {
			text, err := proto.Marshal(c.entry(n, began))
			if err != nil {
				t.Fatal(err)
			}
			request.Entries = append(request.Entries, text)
		}
		if _, err := requests.Append(ctx, request); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d requests were logged in %s", c.entries, time.Since(began).Round(time.Millisecond))
	return c.entry(c.entries/2, began).GetId()
}

// tell records what accounts have left.
func (c *crowd) tell(t *testing.T, tokens tokenstorev1.TokenServiceClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for n, id := range c.telling {
		account := &tokenstorev1.TokenAccount{
			AsOf: timestamppb.Now(), Email: fmt.Sprintf("somebody-%05d@example.com", n), Membership: "pro",
			QuotaResetsAt: timestamppb.New(time.Now().Add(time.Duration(n) * time.Minute)),
			Quotas:        []*tokenstorev1.TokenQuota{{Name: "premium", Requests: uint64(n % 500), MaxRequests: proto.Uint64(500)}},
		}
		if _, err := tokens.RecordTokenAccount(ctx, &tokenstorev1.RecordTokenAccountRequest{Id: id, Account: account}); err != nil {
			t.Fatal(err)
		}
	}
}

// entry is one of the log: each twentieth failed, after another attempt.
func (c *crowd) entry(n int, now time.Time) *tokenstorev1.LogEntry {
	at := timestamppb.New(now.Add(-time.Duration(n) * time.Millisecond))
	id := c.ids[n%len(c.ids)]
	entry := &tokenstorev1.LogEntry{
		Id: fmt.Sprintf("chatcmpl-%016x%016x", n, n*7), Sequence: uint64(n) + 1, StartedAt: at,
		Total: durationpb.New(time.Duration(200+n%5000) * time.Millisecond), FirstByte: durationpb.New(time.Duration(50+n%900) * time.Millisecond),
		Model: sizesModels[n%len(sizesModels)], Upstream: sizesUpstreams[n%len(sizesUpstreams)], TokenId: id,
		TokenAlias: fmt.Sprintf("alias-%05d", n%len(c.ids)), TokenFingerprint: fmt.Sprintf("%08x", n%len(c.ids)), Stream: n%2 == 0,
		Status: "success", HttpStatus: http.StatusOK, EndReason: "done", Attempts: 1, PromptTokens: 100, CompletionTokens: 50, UsageSource: "reported",
	}
	attempt := &tokenstorev1.LogAttempt{StartedAt: at, Total: entry.GetTotal(), Upstream: entry.GetUpstream(), Model: entry.GetModel(), TokenId: id, Status: http.StatusOK}
	entry.AttemptLog = []*tokenstorev1.LogAttempt{attempt}
	if n%20 == 0 {
		entry.Status, entry.HttpStatus, entry.EndReason, entry.Attempts = "failure", http.StatusTooManyRequests, "refused", 2
		entry.Error, entry.ErrorKind = "The accounts are rate limited.", "rate_limit_error"
		attempt.Class, attempt.Status, attempt.Message = "rate_limit", http.StatusTooManyRequests, "Rate limit reached."
		entry.AttemptLog = append(entry.AttemptLog, attempt)
	}
	if n%5003 == 0 {
		entry.Error = "An uncommon mistake."
	}
	return entry
}

// pages are all that the site has, with the filters and orders that are usual.
func (c *crowd) pages(entry string) []string {
	token := c.ids[len(c.ids)/2+1]
	pages := []string{
		"/", "/?range=7d", "/?chart=latency", "/tokens", "/tokens?size=500", "/tokens?page=150", "/tokens?upstream=openai", "/tokens?tag=team",
		"/tokens?q=groq-0017", "/tokens?q=nobody", "/tokens/" + token, "/tokens/" + token + "/now", "/tokens/deleted", "/keys", "/quotas", "/token-files",
		"/logs", "/logs?status=failure", "/logs?model=gpt-4o", "/logs?upstream=groq&status=failure", "/logs?retried=true", "/logs?min_total=5s", "/logs?min_total=10m",
		"/logs?error=uncommon", "/logs?error=never", "/logs?error_kind=rate_limit_error", "/logs?alias=alias-00042", "/logs?token_id=" + token, "/logs?id=" + entry,
		"/logs?id=" + entry[len("chatcmpl-"):], "/logs?id=nothing-of-this-id", "/logs/" + entry, "/logs/tail", "/activity", "/activity?source=carousel",
		"/usage", "/usage?range=7d", "/usage?by=token", "/usage?by=token&range=7d", "/usage?by=token&compare=before", "/usage?by=upstream&measure=tokens", "/usage?token=" + token, "/usage/left",
		"/prices", "/prices/edit", "/settings", "/backup", "/pages", "/upstreams", "/routes", "/routes/edit", "/models", "/models?state=none", "/why", "/why?model=gpt-test",
		"/try", "/search?q=groq", "/search/hits?q=groq-0017", "/search/hits?q=" + entry, "/search/hits?q=nothing-of-this-name",
	}
	for _, state := range []string{"ready", "cooling", "parked", "disabled"} {
		pages = append(pages, "/tokens?state="+state)
	}
	for _, order := range []string{"alias", "-state", "expires_at", "-requests", "-failures", "-last_used_at"} {
		pages = append(pages, "/tokens?sort="+order)
	}
	return pages
}

// pageLook is what it takes to look at a page.
type pageLook struct {
	// first is the first time, and median the usual one.
	first, median time.Duration
	// work is of the processors, and ofRedis what Redis' scripts and commands took of it.
	work, ofRedis    time.Duration
	size, compressed int
}

func (c *crowd) look(t *testing.T, path string) pageLook {
	t.Helper()
	const looks = 5
	var found pageLook
	times := make([]time.Duration, 0, looks)
	used := func() time.Duration {
		return used(t, c.Gateways[0].Process) + used(t, c.Tokenstore) + used(t, c.Redis)
	}
	began := time.Now()
	found.compressed = len(c.get(t, path, true))
	found.first = time.Since(began)
	before, redisBefore := used(), c.redisTime(t)
	for range looks {
		began := time.Now()
		found.size = len(c.get(t, path, false))
		times = append(times, time.Since(began))
	}
	found.work, found.ofRedis = (used()-before)/looks, (c.redisTime(t)-redisBefore)/looks
	slices.Sort(times)
	found.median = times[looks/2]
	return found
}

// get reads a page as a browser does.
func (c *crowd) get(t *testing.T, path string, compressed bool) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Gateways[0].URL+"/admin"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Cookie": {c.session}, "Accept-Encoding": {"identity"}}
	if compressed {
		request.Header.Set("Accept-Encoding", "gzip")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	answer, err := c.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %v", path, answer.StatusCode, err)
	}
	return body
}

// redisTime is how long Redis has been at its commands.
func (c *crowd) redisTime(t *testing.T) time.Duration {
	t.Helper()
	text, err := c.redis.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	for line := range strings.Lines(text) {
		name, values, _ := strings.Cut(line, ":")
		if name == "cmdstat_info" || !strings.HasPrefix(name, "cmdstat_") {
			continue
		}
		stats, _ := url.ParseQuery(strings.ReplaceAll(strings.TrimSpace(values), ",", "&"))
		us, _ := strconv.ParseFloat(stats.Get("usec"), 64)
		sum += time.Duration(us) * time.Microsecond
	}
	return sum
}

// bearer shows the stack's secret to the tokenstore.
type bearer struct{}

func (bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + stack.TokenstoreSecret}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }
