package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// keeping lets the store keep responses.
func keeping(store *Store, age time.Duration, bytes int64) *Store {
	store.responses = ResponseBounds{Age: age, Bytes: bytes}
	return store
}

func response(id, owner, answer string) *tokenstorev1.StoredResponse {
	return &tokenstorev1.StoredResponse{Id: id, OwnerHash: hashed(owner), Model: "gpt-5", Answer: []byte(answer), CreatedAt: timestamppb.New(time.Unix(1, 0))}
}

func putResponse(t testing.TB, store *Store, put *tokenstorev1.StoredResponse) {
	t.Helper()
	if err := store.PutResponse(t.Context(), put); err != nil {
		t.Fatal(err)
	}
}

// hasResponse tells whether it is there; what is not must be told as that.
func hasResponse(t testing.TB, store *Store, id, owner string) bool {
	t.Helper()
	got, err := store.Response(t.Context(), id, hashed(owner))
	if err == nil && got.GetId() == id {
		return true
	}
	if !rpcerr.Is(err, tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND) {
		t.Fatalf("response %s: %v, %v", id, got, err)
	}
	return false
}

// countedResponses holds what is counted of responses against what there is, and returns it.
func countedResponses(t testing.TB, store *Store) (answers int, bytes int64) {
	t.Helper()
	ctx, client := t.Context(), store.client
	pipe := client.Pipeline()
	counted, hash, order := pipe.Get(ctx, responseBytesKey()), pipe.HGetAll(ctx, responseSizesKey()), pipe.ZRange(ctx, responseIndexKey(), 0, -1)
	if err := sendReads(ctx, pipe); err != nil {
		t.Fatal(err)
	}
	bytes, _ = counted.Int64() // absent: 0
	sizes, index := fields(hash.Val()), order.Val()
	if len(index) != len(sizes) {
		t.Fatalf("%d in the index, %d sizes", len(index), len(sizes))
	}
	lengths := make([]*redis.IntCmd, len(index))
	for i, digest := range index {
		lengths[i] = pipe.StrLen(ctx, responseKey(digest))
	}
	if err := sendReads(ctx, pipe); err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for i, digest := range index {
		total += int64(sizes.count(digest))
		if length := lengths[i].Val(); length != 0 && length+responseOverhead != int64(sizes.count(digest)) {
			t.Fatalf("%s has %d bytes, counted as %d", digest, length, sizes.count(digest))
		}
	}
	if total != bytes {
		t.Fatalf("%d bytes, counted as %d", total, bytes)
	}
	return len(index), bytes
}

func TestResponses(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		keeping(store, time.Hour, 1<<20)
		want := response("resp_1", "one", strings.Repeat("a private answer ", 100))
		want.Input = []byte(`[{"role":"user"}]`)
		before := proto.CloneOf(want)
		putResponse(t, store, want)
		if got, err := store.Response(ctx, "resp_1", hashed("one")); err != nil || !proto.Equal(got, before) {
			t.Errorf("got %v, %v", got, err)
		}
		native := &tokenstorev1.StoredResponse{Id: "resp-2", OwnerHash: hashed("one"), Upstream: "openai", TokenId: newTokenID()}
		putResponse(t, store, native)
		if got, err := store.Response(ctx, "resp-2", hashed("one")); err != nil || !proto.Equal(got, native) {
			t.Errorf("got %v, %v", got, err)
		}
		if dump := dumpOf(t, store); strings.Contains(dump, "private") || strings.Contains(dump, "resp_1") || strings.Contains(dump, native.GetTokenId()) {
			t.Error("what is kept can be read in Redis")
		}
		key := responseKey(responseDigest("resp_1", hashed("one")))
		if left := store.client.PTTL(ctx, key).Val(); left < 59*time.Minute || left > time.Hour {
			t.Errorf("it is kept for %v", left)
		}
		if n, bytes := countedResponses(t, store); n != 2 || bytes > 1500 {
			t.Errorf("%d responses of %d bytes", n, bytes)
		}
		putResponse(t, store, response("resp_1", "one", "another"))
		if got, err := store.Response(ctx, "resp_1", hashed("one")); err != nil || string(got.GetAnswer()) != "another" {
			t.Errorf("replaced: %v, %v", got, err)
		}
		countedResponses(t, store)
		for _, id := range []string{"resp_1", "resp-2"} {
			if err := store.DeleteResponse(ctx, id, hashed("one")); err != nil {
				t.Error(err)
			}
			if hasResponse(t, store, id, "one") {
				t.Errorf("%s is still there", id)
			}
			wantReason(t, store.DeleteResponse(ctx, id, hashed("one")), tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND)
		}
		if n, bytes := countedResponses(t, store); n != 0 || bytes != 0 {
			t.Errorf("%d responses of %d bytes are left", n, bytes)
		}
	})
}

// To others an answer does not exist, even if they name theirs alike; and who can write to
// Redis can't make it theirs.
func TestResponsesAreTheirOwners(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		keeping(store, time.Hour, 1<<20)
		putResponse(t, store, response("resp_1", "one", "of one"))
		_, there := store.Response(ctx, "resp_1", hashed("two"))
		_, nowhere := store.Response(ctx, "resp_0", hashed("two"))
		if there == nil || there.Error() != nowhere.Error() {
			t.Errorf("another's: %v; nobody's: %v", there, nowhere)
		}
		wantReason(t, store.DeleteResponse(ctx, "resp_1", hashed("two")), tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND)
		putResponse(t, store, response("resp_1", "two", "of two"))
		for _, owner := range []string{"one", "two"} {
			if got, err := store.Response(ctx, "resp_1", hashed(owner)); err != nil || string(got.GetAnswer()) != "of "+owner {
				t.Errorf("%s has %v, %v", owner, got, err)
			}
		}
		of := func(owner string) string { return responseKey(responseDigest("resp_1", hashed(owner))) }
		if err := store.client.Set(ctx, of("two"), store.client.Get(ctx, of("one")).Val(), 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := store.Response(ctx, "resp_1", hashed("two")); err == nil {
			t.Errorf("what was moved opens: %v", got)
		}
	})
}

func TestResponsesAreChecked(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		keeping(store, time.Hour, 8<<20)
		for problem, change := range map[string]func(*tokenstorev1.StoredResponse){
			"response.id: ":                          func(r *tokenstorev1.StoredResponse) { r.Id = "a b" },
			"response.id: 1 to":                      func(r *tokenstorev1.StoredResponse) { r.Id = strings.Repeat("x", 129) },
			"owner_hash: ":                           func(r *tokenstorev1.StoredResponse) { r.OwnerHash = r.OwnerHash[1:] },
			"response.upstream: ":                    func(r *tokenstorev1.StoredResponse) { r.Upstream = "Open AI" },
			"response.token_id: ":                    func(r *tokenstorev1.StoredResponse) { r.Upstream, r.Answer = "openai", nil },
			"response.answer: the upstream keeps it": func(r *tokenstorev1.StoredResponse) { r.Upstream, r.TokenId = "openai", newTokenID() },
			"response.answer: missing":               func(r *tokenstorev1.StoredResponse) { r.Answer = nil },
			"response.model: ":                       func(r *tokenstorev1.StoredResponse) { r.Model = strings.Repeat("x", 1025) },
		} {
			put := response("resp_1", "one", "answer")
			change(put)
			err := store.PutResponse(ctx, put)
			if wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT); err != nil && !strings.Contains(err.Error(), problem) {
				t.Errorf("%s: %v", problem, err)
			}
		}
		err := store.PutResponse(ctx, nil)
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		_, err = store.Response(ctx, "resp_1", nil)
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		wantReason(t, store.DeleteResponse(ctx, "resp_1", nil), tokenstorev1.Reason_REASON_INVALID_ARGUMENT)

		large := response("resp_1", "one", strings.Repeat("x", MaxResponse-1))
		large.Input = []byte("x")
		putResponse(t, store, large)
		if got, err := store.Response(ctx, "resp_1", hashed("one")); err != nil || !proto.Equal(got, large) {
			t.Errorf("as large as it may be: %d bytes, %v", len(got.GetAnswer()), err)
		}
		large.Input = []byte("xy")
		err = store.PutResponse(ctx, large)
		wantReason(t, err, tokenstorev1.Reason_REASON_RESPONSE_TOO_LARGE)
		keeping(store, time.Hour, 1<<10)
		err = store.PutResponse(ctx, response("resp_2", "one", noise(t, 1000)))
		wantReason(t, err, tokenstorev1.Reason_REASON_RESPONSE_TOO_LARGE)
		keeping(store, time.Hour, 0)
		err = store.PutResponse(ctx, response("resp_2", "one", "x"))
		wantReason(t, err, tokenstorev1.Reason_REASON_RESPONSE_TOO_LARGE)
	})
}

// Answers end after their time, by Redis's clock, and with them all that is counted of them.
func TestResponsesAge(t *testing.T) {
	t.Parallel()
	now := time.Now()
	client, setTime := testredis.MiniAt(t, now)
	store := keeping(newStore(t, client), time.Hour, 1<<20)
	putResponse(t, store, response("resp_1", "one", "first"))
	setTime(now.Add(40 * time.Minute))
	putResponse(t, store, response("resp_2", "one", "second"))
	setTime(now.Add(70 * time.Minute))
	if hasResponse(t, store, "resp_1", "one") || !hasResponse(t, store, "resp_2", "one") {
		t.Error("not the older one has ended")
	}
	putResponse(t, store, response("resp_3", "one", "third"))
	if n, _ := countedResponses(t, store); n != 2 {
		t.Errorf("%d are counted", n)
	}
	wantReason(t, store.DeleteResponse(t.Context(), "resp_1", hashed("one")), tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND)
	setTime(now.Add(140 * time.Minute))
	if left := client.Keys(t.Context(), responsePrefix+"*").Val(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// What a clock that was ahead has kept is not the youngest for long, and is not kept for
// longer than others.
func TestResponsesOfAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	client, setTime := testredis.MiniAt(t, now.Add(100*time.Hour))
	store := keeping(newStore(t, client), time.Hour, 1<<20)
	putResponse(t, store, response("resp_1", "one", "of a time to come"))
	setTime(now)
	putResponse(t, store, response("resp_2", "one", "of now"))
	setTime(now.Add(30 * time.Minute))
	keeping(store, time.Hour, 1000)
	putResponse(t, store, response("resp_3", "one", noise(t, 200)))
	if hasResponse(t, store, "resp_1", "one") {
		t.Error("it is kept before others that are younger")
	}
	countedResponses(t, store)
}

// However many put at once, what is kept never exceeds the bound; and the oldest have made room.
func TestKeptResponsesAreBounded(t *testing.T) {
	t.Parallel()
	const room = 256 << 10
	client := testredis.Start(t)
	stores := []*Store{keeping(newStore(t, client), time.Hour, room), keeping(newStore(t, client), time.Hour, room)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var watching sync.WaitGroup
	var most atomic.Int64
	watching.Go(func() {
		for ctx.Err() == nil {
			// As of one moment: what there is, and what is said of it.
			const sum = `local n = 0 for _, d in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
				n = n + redis.call('STRLEN', ARGV[1] .. d) + ARGV[2] end
				return { n, tonumber(redis.call('GET', KEYS[2]) or '0') }`
			values, err := client.Eval(ctx, sum, []string{responseIndexKey(), responseBytesKey()}, responseKeyPrefix(), responseOverhead).Int64Slice()
			if err != nil {
				continue // the test ends
			}
			if most.Store(max(most.Load(), values[0])); values[0] != values[1] || values[0] > room {
				t.Errorf("%d bytes, counted as %d", values[0], values[1])
			}
		}
	})
	var putting sync.WaitGroup
	for i := range 8 {
		putting.Go(func() {
			for n := range 60 {
				put := response(fmt.Sprintf("resp_%d_%d", i, n), "one", noise(t, 100+n*i*50))
				if err := stores[i%2].PutResponse(ctx, put); err != nil {
					t.Errorf("%s: %v", put.GetId(), err)
				}
				if n%7 == 0 {
					_ = stores[i%2].DeleteResponse(ctx, put.GetId(), hashed("one")) // it may have made room
				}
			}
		})
	}
	putting.Wait()
	last := response("resp_last", "one", noise(t, 10_000))
	if err := stores[0].PutResponse(ctx, last); err != nil {
		t.Error(err)
	}
	waitUntil(t, "the watcher has seen much", func() bool { return most.Load() >= room/2 || t.Failed() })
	cancel()
	watching.Wait()
	if _, bytes := countedResponses(t, stores[0]); bytes < room/2 {
		t.Errorf("only %d bytes are kept, at most %d", bytes, most.Load())
	}
	if hasResponse(t, stores[0], "resp_7_1", "one") || !hasResponse(t, stores[0], "resp_last", "one") {
		t.Error("not the oldest have made room")
	}
}

// A large answer takes the place of many small ones, in steps that keep nobody waiting.
func TestALargeResponseAmongSmallOnes(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		keeping(store, time.Hour, 300<<10)
		for i := range 3 * trimStep {
			putResponse(t, store, response(fmt.Sprint("resp_", i), "one", "small"))
		}
		if n, _ := countedResponses(t, store); n != 3*trimStep {
			t.Fatalf("%d are kept", n)
		}
		putResponse(t, store, response("resp_large", "one", noise(t, 205<<10)))
		if n, bytes := countedResponses(t, store); !hasResponse(t, store, "resp_large", "one") || n < trimStep || n > 2*trimStep || bytes > 300<<10 {
			t.Errorf("%d are kept, %d bytes", n, bytes)
		}
		if hasResponse(t, store, "resp_0", "one") || !hasResponse(t, store, fmt.Sprint("resp_", 3*trimStep-1), "one") {
			t.Error("not the oldest have made room")
		}
		keeping(store, time.Hour, 1000)
		if err := store.TrimResponses(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, bytes := countedResponses(t, store); n != 0 || bytes != 0 {
			t.Errorf("with less room %d are kept, %d bytes", n, bytes)
		}
	})
}

// Bounds that are narrower at the next start hold for what was kept before.
func TestNarrowerBounds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	client, setTime := testredis.MiniAt(t, now)
	store := keeping(newStore(t, client), 10*time.Hour, 1<<20)
	putResponse(t, store, response("resp_1", "one", "first"))
	setTime(now.Add(2 * time.Hour))
	putResponse(t, store, response("resp_2", "one", "second"))
	trim := func(age time.Duration, bytes int64, kept ...string) {
		t.Helper()
		keeping(store, age, bytes)
		if err := store.TrimResponses(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"resp_1", "resp_2"} {
			if has := hasResponse(t, store, id, "one"); has != slices.Contains(kept, id) {
				t.Errorf("%v, %d bytes: %s is there: %v", age, bytes, id, has)
			}
		}
		countedResponses(t, store)
	}
	trim(10*time.Hour, 1<<20, "resp_1", "resp_2")
	trim(time.Hour, 1<<20, "resp_2")
	trim(time.Hour, 0)
}

// When Redis is nearly full what is left is for leases; when it is full, a put that is refused
// has changed nothing.
func TestResponsesGiveWay(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	store, ctx := keeping(newStore(t, client), time.Hour, 1<<20), t.Context()
	putResponse(t, store, response("resp_1", "one", "first"))
	known, err := readServer(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(limit int64, text string) {
		t.Helper()
		if err := client.ConfigSet(ctx, "maxmemory", bytesText(limit)).Err(); err != nil {
			t.Fatal(err)
		}
		if err := store.PutResponse(ctx, response("resp_2", "one", "second")); !isUnavailable(err) || !strings.Contains(err.Error(), text) {
			t.Errorf("a put: %v", err)
		}
		if n, _ := countedResponses(t, store); n != 1 || !hasResponse(t, store, "resp_1", "one") {
			t.Errorf("%d are kept", n)
		}
	}
	refused(1<<20, "Redis is full")
	if err := client.ConfigSet(ctx, "maxmemory", bytesText(known.usedMemory*100/97)).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Inspect(ctx); err != nil {
		t.Fatal(err)
	}
	refused(known.usedMemory*100/97, "nearly full")
	if err := client.ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Inspect(ctx); err != nil {
		t.Fatal(err)
	}
	putResponse(t, store, response("resp_2", "one", "second"))
}

// The end of an answer does not wait for the disk. What was deleted does not come back.
func TestOnlyDeletionsOfResponsesWaitForTheDisk(t *testing.T) {
	t.Parallel()
	store := keeping(newStore(t, testredis.Start(t)), time.Hour, 1<<20)
	putResponse(t, store, response("resp_1", "one", "first"))
	store.barrier.Barrier = BarrierFunc(func(context.Context) error { return notSaved("the disk is full") })
	if err := store.PutResponse(t.Context(), response("resp_2", "one", "second")); err != nil {
		t.Errorf("a put: %v", err)
	}
	if err := store.DeleteResponse(t.Context(), "resp_1", hashed("one")); !isUnavailable(err) {
		t.Errorf("a deletion: %v", err)
	}
}

// keptModel is what the scripts do, in plain Go: answers by id, the oldest first.
type keptModel struct {
	bounds ResponseBounds
	kept   []keptAnswer
}

type keptAnswer struct {
	id   string
	at   time.Time
	size int64
}

func (m *keptModel) drop(id string) (had bool) {
	before := len(m.kept)
	m.kept = slices.DeleteFunc(m.kept, func(each keptAnswer) bool { return each.id == id })
	return len(m.kept) < before
}

func (m *keptModel) expire(now time.Time) {
	m.kept = slices.DeleteFunc(m.kept, func(each keptAnswer) bool { return !each.at.Add(m.bounds.Age).After(now) })
}

func (m *keptModel) put(id string, size int64, now time.Time) {
	m.drop(id)
	m.expire(now)
	m.kept = append(m.kept, keptAnswer{id, now, size})
	for m.bytes() > m.bounds.Bytes {
		m.kept = m.kept[1:]
	}
}

func (m *keptModel) bytes() (sum int64) {
	for _, each := range m.kept {
		sum += each.size
	}
	return sum
}

// Whatever is put, deleted and grows old, in whatever order: Redis and the model agree.
func TestKeptResponsesAgreeWithAModel(t *testing.T) {
	t.Parallel()
	now := time.Now()
	client, setTime := testredis.MiniAt(t, now)
	store := keeping(newStore(t, client), time.Hour, 3000)
	names := []string{"resp_a", "resp_b", "resp_c", "resp_d", "resp_e", "resp_f"}
	rapid.Check(t, func(rt *rapid.T) {
		for _, key := range client.Keys(t.Context(), responsePrefix+"*").Val() {
			client.Del(t.Context(), key)
		}
		m := &keptModel{bounds: store.responses}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				now = now.Add(time.Millisecond)
				setTime(now)
				put := response(rapid.SampledFrom(names).Draw(rt, "id"), "one", noise(t, rapid.IntRange(1, 1500).Draw(rt, "size")))
				putResponse(t, store, put)
				length := client.StrLen(t.Context(), responseKey(responseDigest(put.GetId(), hashed("one")))).Val()
				m.put(put.GetId(), length+responseOverhead, now)
			},
			"delete": func(rt *rapid.T) {
				id := rapid.SampledFrom(names).Draw(rt, "id")
				m.expire(now)
				if err := store.DeleteResponse(t.Context(), id, hashed("one")); (err == nil) != m.drop(id) {
					rt.Fatalf("deleted %s: %v", id, err)
				}
			},
			"wait": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 40).Draw(rt, "minutes")) * time.Minute)
				setTime(now)
				m.expire(now)
			},
			"": func(rt *rapid.T) {
				pipe, there := client.Pipeline(), map[string]*redis.IntCmd{}
				for _, id := range names {
					there[id] = pipe.Exists(t.Context(), responseKey(responseDigest(id, hashed("one"))))
				}
				if err := sendReads(t.Context(), pipe); err != nil {
					rt.Fatal(err)
				}
				for _, id := range names {
					want := slices.ContainsFunc(m.kept, func(each keptAnswer) bool { return each.id == id })
					if has := there[id].Val() == 1; has != want {
						rt.Fatalf("%s is there: %v, in the model %v", id, has, want)
					}
				}
				one := rapid.SampledFrom(names).Draw(rt, "read")
				if has := hasResponse(t, store, one, "one"); has != (there[one].Val() == 1) {
					rt.Fatalf("%s is read: %v", one, has)
				}
				if _, bytes := countedResponses(t, store); bytes < m.bytes() || bytes > store.responses.Bytes {
					rt.Fatalf("%d bytes, in the model %d", bytes, m.bytes())
				}
			},
		})
	})
}
