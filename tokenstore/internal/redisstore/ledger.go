package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/ledger"
)

var (
	postScript       = newScript("post")
	readLedgerScript = newScript("read_ledger")
)

const (
	// lapsedFor is how long the totals of a book that has lapsed are remembered, so that what a
	// late statement says was used is counted.
	lapsedFor = time.Hour
	// maxBooks bounds the books of a key, those that have lapsed apart.
	maxBooks = 256
	// forgottenFor is how long the ledger of a deleted key is kept: longer than the key can be
	// restored.
	forgottenFor = clientKeyTrashTTL + time.Hour
	// wantedFor is how long nothing of a key is granted ahead of requests after a charge has
	// found no room because of what others have set aside, and wantEvery how often those are
	// asked for it at most.
	wantedFor = time.Second
	wantEvery = 50 * time.Millisecond
	// maxStatement bounds the number of a statement: scripts count exactly so far.
	maxStatement = 1 << 53
	// periodTries bounds how often a posting is tried whose periods are over.
	periodTries = 3
)

// ledgerPosting is what post.lua is asked, by name. Amounts are four texts: requests, tokens,
// cost, requests at a time.
type ledgerPosting struct {
	Key       string        `json:"key"`
	Book      string        `json:"book"`
	Limits    []ledgerLimit `json:"limits"`
	Sequence  uint64        `json:"sequence"`
	Fresh     bool          `json:"fresh"`
	Spent     [4]string     `json:"spent"`
	Granted   [4]string     `json:"granted"`
	Holding   [4]string     `json:"holding"`
	Charges   [][4]string   `json:"charges"`
	Ahead     [4]string     `json:"ahead"`
	TTL       int64         `json:"ttl_ms"`
	Memory    int64         `json:"memory_ms"`
	Wanted    int64         `json:"wanted_ms"`
	WantEvery int64         `json:"want_every_ms"`
	MostBooks int           `json:"most_books"`
}

// ledgerLimit is a limit as scripts see it.
type ledgerLimit struct {
	// Name is its unit and period, of which a key has no other.
	Name   string `json:"name"`
	Period string `json:"period"`
	// Dimension is which of four amounts it bounds, from 1.
	Dimension int    `json:"dimension"`
	Amount    string `json:"amount"`
	// Begins and Ends are of the present period, in ms; 0: it has none.
	Begins int64 `json:"begins"`
	Ends   int64 `json:"ends"`
}

// Post enters a posting into the ledger of a key with limits, in one step, and decides its
// charges. What a limit has counted is kept as long as the key has a limit of that unit and
// period, whatever its amount and time zone are; one that is new counts from now on. A posting
// that is not entered at all fails with ledger.ErrCrowded or ledger.ErrNoBook.
func (s *Store) Post(ctx context.Context, key *tokenstorev1.ClientKey, posting ledger.Posting) (ledger.Posted, error) {
	if len(posting.Charges) > ledger.MaxCharges {
		return ledger.Posted{}, invalid(fmt.Errorf("charges: at most %d", ledger.MaxCharges))
	}
	keys := []string{ledgerKey(key.GetId()), booksKey(key.GetId()), lapsedBooksKey(key.GetId())}
	for at, tries := time.Now(), 0; tries < periodTries; tries++ {
		text, err := json.Marshal(s.postingOf(key, posting, at))
		if err != nil {
			return ledger.Posted{}, fmt.Errorf("posting: %w", err)
		}
		values, err := await(ctx, s, keys[0], func(ctx context.Context) ([]any, error) {
			return postScript.run(ctx, s.client, keys, text, poolChannel).Slice()
		})
		if err != nil {
			return ledger.Posted{}, s.ledgerError("post to a ledger", err)
		}
		reply := &row{values: values}
		switch reply.text(0) {
		case "again":
			at = time.UnixMilli(reply.number(1))
		case "unknown":
			return ledger.Posted{}, ledger.ErrNoBook
		case "crowded":
			return ledger.Posted{}, ledger.ErrCrowded
		default:
			posted := postedFrom(reply, key.GetLimits(), len(posting.Charges))
			return posted, reply.err
		}
	}
	return ledger.Posted{}, errors.New("post to a ledger: Redis's clock is never in the period that is named")
}

func (s *Store) postingOf(key *tokenstorev1.ClientKey, posting ledger.Posting, at time.Time) ledgerPosting {
	statement := posting.Statement
	if statement == nil {
		statement = &ledger.Statement{}
	}
	asked := ledgerPosting{
		Key: key.GetId(), Book: posting.Book, Limits: limitsOf(key, at),
		Sequence: min(statement.Sequence, maxStatement), Fresh: statement.Fresh,
		Spent: textsOf(statement.Spent), Granted: textsOf(statement.Granted), Holding: textsOf(statement.Holding),
		Charges: make([][4]string, len(posting.Charges)), Ahead: textsOf(posting.Ahead),
		TTL: posting.TTL.Milliseconds(), Memory: lapsedFor.Milliseconds(),
		Wanted: wantedFor.Milliseconds(), WantEvery: wantEvery.Milliseconds(), MostBooks: s.mostBooks,
	}
	for i, most := range posting.Charges {
		asked.Charges[i] = textsOf(most)
	}
	return asked
}

func textsOf(amounts ledger.Amounts) (texts [4]string) {
	for i, amount := range amounts.InOrder() {
		texts[i] = strconv.FormatUint(amount, 10)
	}
	return texts
}

func limitsOf(key *tokenstorev1.ClientKey, at time.Time) []ledgerLimit {
	limits := make([]ledgerLimit, len(key.GetLimits()))
	for i, limit := range key.GetLimits() {
		unit := strings.ToLower(strings.TrimPrefix(limit.GetUnit().String(), "KEY_UNIT_"))
		period := strings.ToLower(strings.TrimPrefix(limit.GetPeriod().String(), "KEY_PERIOD_"))
		limits[i] = ledgerLimit{
			Name: unit + " " + period, Period: period, Dimension: ledger.PlaceOf(limit) + 1, Amount: strconv.FormatUint(limit.GetAmount(), 10),
		}
		if begins, ends := ledger.Bounds(limit, at); !ends.IsZero() {
			limits[i].Begins, limits[i].Ends = begins.UnixMilli(), ends.UnixMilli()
		}
	}
	return limits
}

func postedFrom(reply *row, limits []*tokenstorev1.KeyLimit, charges int) ledger.Posted {
	posted := ledger.Posted{
		At:      time.UnixMilli(reply.number(1)),
		Granted: ledger.Amounts{Requests: amountAt(reply, 2), Tokens: amountAt(reply, 3), Cost: amountAt(reply, 4), AtOnce: amountAt(reply, 5)},
	}
	next := 6
	posted.Standing, next = standingFrom(reply, next, limits)
	for range charges {
		verdict := ledger.Verdict{Outcome: ledger.Outcome(reply.text(next)), Limit: int(reply.number(next+1)) - 1}
		if until := reply.number(next + 2); until > 0 {
			verdict.Until = time.UnixMilli(until)
		}
		if verdict.Outcome == ledger.Granted {
			verdict.Limit = 0
		} else if verdict.Limit < 0 || verdict.Limit >= len(limits) {
			reply.misfit(next + 1)
			verdict.Limit = 0
		}
		posted.Verdicts = append(posted.Verdicts, verdict)
		next += 3
	}
	return posted
}

// standingFrom reads the standing of limits, and where it ends in the reply.
func standingFrom(reply *row, from int, limits []*tokenstorev1.KeyLimit) ([]*tokenstorev1.KeyStanding, int) {
	standing := make([]*tokenstorev1.KeyStanding, len(limits))
	for i, limit := range limits {
		standing[i] = &tokenstorev1.KeyStanding{Limit: limit, Used: amountAt(reply, from), Reserved: amountAt(reply, from+1)}
		if renews := reply.number(from + 2); renews > 0 {
			standing[i].RenewsAt = timestamppb.New(time.UnixMilli(renews))
		}
		from += 3
	}
	return standing, from
}

// amountAt reads an amount, of which scripts have larger ones than fit; those are the largest.
func amountAt(reply *row, i int) uint64 {
	amount, err := strconv.ParseUint(reply.text(i), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		reply.misfit(i)
	}
	return amount
}

// KeyStandings returns how far the limits of each key are used up, in the order of keys and
// limits; nothing for a key without limits.
func (s *Store) KeyStandings(ctx context.Context, keys []*tokenstorev1.ClientKey) ([][]*tokenstorev1.KeyStanding, error) {
	round, calls, at := s.batch(), make([]*call, len(keys)), time.Now()
	for i, key := range keys {
		if len(key.GetLimits()) == 0 {
			continue
		}
		text, err := json.Marshal(limitsOf(key, at))
		if err != nil {
			return nil, fmt.Errorf("limits: %w", err)
		}
		calls[i] = round.add(readLedgerScript, []string{ledgerKey(key.GetId()), booksKey(key.GetId())}, text)
	}
	standings := make([][]*tokenstorev1.KeyStanding, len(keys))
	if len(round.calls) == 0 {
		return standings, nil
	}
	if err := round.exec(ctx); err != nil {
		return nil, storeError("read ledgers", err)
	}
	for i, key := range keys {
		if calls[i] == nil {
			continue
		}
		values, err := calls[i].reply.Slice()
		if err != nil {
			return nil, storeError("read ledgers", err)
		}
		reply := &row{values: values}
		if standings[i], _ = standingFrom(reply, 1, key.GetLimits()); reply.err != nil {
			return nil, reply.err
		}
	}
	return standings, nil
}

// ForgetLedger has the ledger of a deleted key expire some time after the key can be restored.
func (s *Store) ForgetLedger(ctx context.Context, keyID string) error {
	pipe := s.client.TxPipeline()
	// So there is a ledger that expires, also where a posting under way makes one only now.
	pipe.HSet(ctx, ledgerKey(keyID), "forgotten", 1)
	pipe.PExpire(ctx, ledgerKey(keyID), forgottenFor)
	_, err := pipe.Exec(ctx)
	return storeError("forget a ledger", err)
}

// KeepLedger takes ForgetLedger back.
func (s *Store) KeepLedger(ctx context.Context, keyID string) error {
	pipe := s.client.TxPipeline()
	pipe.HDel(ctx, ledgerKey(keyID), "forgotten")
	pipe.Persist(ctx, ledgerKey(keyID))
	_, err := pipe.Exec(ctx)
	return storeError("keep a ledger", err)
}
