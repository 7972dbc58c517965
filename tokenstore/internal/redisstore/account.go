package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

var recordAccountScript = newScript("record_account")

// maxAccount bounds what is kept of an account, in bytes.
const maxAccount = 8 << 10

// Reveal returns a token's upstream and what a request with it needs, without a
// lease.
func (s *Store) Reveal(ctx context.Context, id string) (string, leasing.Credential, error) {
	t, err := s.read(ctx, id)
	if err != nil {
		return "", leasing.Credential{}, err
	}
	credential, err := s.credentialOf(t.id, t.record, t.renewal)
	credential.Alias, credential.Fingerprint = t.alias, t.fingerprint
	return t.upstream, credential, err
}

// Account returns what was recorded of a token's account; nil when nothing was. It
// names a person, so it is sealed like the token. What doesn't open any more, for
// its key is gone, counts as never recorded: the upstream can be asked again.
func (s *Store) Account(ctx context.Context, id string) (*tokenstorev1.TokenAccount, error) {
	upstream, err := s.homeOf(ctx, id)
	if err != nil {
		return nil, err
	}
	pipe := s.client.Pipeline()
	exists, sealed := pipe.Exists(ctx, tokenKey(upstream, id)), pipe.HGet(ctx, tokenKey(upstream, id), "account")
	if err := sendReads(ctx, pipe); err != nil {
		return nil, storeError("read an account", err)
	}
	if exists.Val() == 0 {
		return nil, noToken(id)
	}
	return s.openAccount(id, sealed.Val())
}

// ListAccounts returns up to limit tokens of an upstream, or of all where it is empty, and what is
// recorded of their accounts, by their creation, from where the cursor of the previous page points;
// and the next cursor, empty when there are no more. It reads no more of a token than it tells: id,
// upstream, alias, state and weight.
func (s *Store) ListAccounts(ctx context.Context, upstream string, limit int, cursor string) ([]*tokenstorev1.AccountOfToken, string, error) {
	after, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	listed, err := s.client.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
		Key: idsKey(upstream), ByScore: true, Start: "(" + strconv.FormatInt(after, 10), Stop: "+inf", Count: int64(limit) + 1,
	}).Result()
	if err != nil {
		return nil, "", storeError("list accounts", err)
	}
	next := ""
	if len(listed) > limit {
		listed = listed[:limit]
		next = strconv.FormatInt(int64(listed[limit-1].Score), 36)
	}
	accounts, err := s.accountsIn(ctx, upstream, listed)
	return accounts, next, err
}

// AccountsOf returns the tokens with these ids, in their order, and what is recorded of their
// accounts, as ListAccounts does. Those that are gone are left out.
func (s *Store) AccountsOf(ctx context.Context, ids []string) ([]*tokenstorev1.AccountOfToken, error) {
	listed := make([]redis.Z, len(ids))
	for i, id := range ids {
		listed[i].Member = id
	}
	return s.accountsIn(ctx, "", listed)
}

// accountsIn returns the tokens of a list, and what is recorded of their accounts.
func (s *Store) accountsIn(ctx context.Context, upstream string, listed []redis.Z) ([]*tokenstorev1.AccountOfToken, error) {
	pools, err := s.poolsOf(ctx, upstream, idsIn(listed))
	if err != nil {
		return nil, err
	}
	rows, err := s.rowsOf(ctx, pools, listed)
	if err != nil {
		return nil, err
	}
	pipe := s.client.Pipeline()
	sealed := make([]*redis.SliceCmd, len(rows))
	for i, r := range rows { // where nothing is recorded HGET fails, and would hide that another did
		sealed[i] = pipe.HMGet(ctx, tokenKey(r.upstream, r.id), "account", "weight")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError("list accounts", err)
	}
	accounts := make([]*tokenstorev1.AccountOfToken, len(rows))
	for i, r := range rows {
		told := sealed[i].Val()
		accounts[i] = &tokenstorev1.AccountOfToken{Token: &tokenstorev1.Token{Id: r.id, Upstream: r.upstream, Alias: r.alias, State: r.state}}
		if weight, _ := told[1].(string); weight != "" {
			accounts[i].Token.Weight = uint32(wholeOf(weight)) //nolint:gosec // weights have a bound
		}
		if text, _ := told[0].(string); text != "" {
			if accounts[i].Account, err = s.openAccount(r.id, text); err != nil {
				return nil, err
			}
		}
	}
	return accounts, nil
}

func (s *Store) openAccount(id, sealed string) (*tokenstorev1.TokenAccount, error) {
	plain, err := s.keys.Open(sealed, accountBinding(id))
	if err != nil {
		return nil, nil //nolint:nilerr // as Account promises
	}
	account := &tokenstorev1.TokenAccount{}
	if proto.Unmarshal([]byte(plain.Reveal()), account) != nil { // its error could repeat the text
		return nil, fmt.Errorf("token %s: what was sealed is not an account", id)
	}
	return account, nil
}

// RecordAccount keeps what an upstream told of a token's account, in place of what
// it told before. An account with an error replaces only the error and the time. It
// doesn't wait for the disk: what is lost can be asked again.
func (s *Store) RecordAccount(ctx context.Context, id string, account *tokenstorev1.TokenAccount) error {
	before, err := s.Account(ctx, id)
	if err != nil {
		return err
	}
	if account.GetError() != "" && before != nil {
		before.Error, before.AsOf = account.GetError(), account.GetAsOf()
		account = before
	}
	plain, err := proto.Marshal(account)
	if err != nil {
		return fmt.Errorf("encode an account: %w", err)
	}
	if len(plain) > maxAccount {
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "account: it has %d bytes; at most %d are kept", len(plain), maxAccount)
	}
	sealed := s.keys.Seal(secret.New(string(plain)), accountBinding(id))
	upstream, err := s.homeOf(ctx, id)
	if err != nil {
		return err
	}
	kept, err := recordAccountScript.run(ctx, s.client, []string{tokenKey(upstream, id), questionsKey(upstream)}, sealed, id, quotaReset(account),
		oftenAsked.Milliseconds(), seldomAsked.Milliseconds(), inUseFor.Milliseconds()).Bool()
	if err != nil {
		return storeError("record an account", err)
	}
	if !kept {
		return noToken(id)
	}
	return nil
}

// quotaReset is when the quota begins anew, in ms; 0 where that is not known.
func quotaReset(account *tokenstorev1.TokenAccount) int64 {
	if resets := account.GetQuotaResetsAt(); resets.IsValid() {
		return max(resets.AsTime().UnixMilli(), 0)
	}
	return 0
}

func accountBinding(id string) string { return id + " account" }
