package usage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// lists has keys, which it lists page by page.
type lists struct {
	keys  []*tokenstorev1.ListedKey
	asked int
	// failsAt is the question that is not answered; 0: none.
	failsAt int
}

func (l *lists) ListKeys(_ context.Context, r *tokenstorev1.ListKeysRequest, _ ...grpc.CallOption) (*tokenstorev1.ListKeysResponse, error) {
	if l.asked++; l.asked == l.failsAt {
		return nil, errors.New("away")
	}
	if !r.GetOmitStanding() {
		return nil, errors.New("nobody wants to know what is used")
	}
	from, _ := strconv.Atoi(r.GetCursor())
	to := min(from+int(r.GetLimit()), len(l.keys))
	page := &tokenstorev1.ListKeysResponse{Keys: l.keys[from:to]}
	if to < len(l.keys) {
		page.NextCursor = strconv.Itoa(to)
	}
	return page, nil
}

func listOf(n int) *lists {
	l := &lists{}
	for i := range n {
		l.keys = append(l.keys, &tokenstorev1.ListedKey{Key: &tokenstorev1.ClientKey{Id: fmt.Sprint("k", i), Name: fmt.Sprint("name ", i)}})
	}
	return l
}

func TestWhoseAnIDIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		there int
		ids   []string
		want  []string
		asked int
	}{
		"one of the first page":              {1200, []string{"k3", "k3"}, []string{"name 3"}, 1},
		"one of the last":                    {1200, []string{"k3", "k1199"}, []string{"name 1199", "name 3"}, 3},
		"one that is no more":                {1200, []string{"gone", "k3"}, []string{"name 3"}, 3},
		"one that is too far back in a list": {21_000, []string{"k20500"}, nil, 40},
		"no key's":                           {1200, []string{"", "admin", "session", "own", "none", usage.Others}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := listOf(c.there)
			found, err := usage.FindKeys(t.Context(), from, c.ids)
			var names []string
			for id, key := range found {
				if key.GetId() != id {
					t.Errorf("%s is of %s", id, key.GetId())
				}
				names = append(names, key.GetName())
			}
			slices.Sort(names)
			if err != nil || !slices.Equal(names, c.want) || from.asked != c.asked {
				t.Errorf("%v after %d questions, %v", names, from.asked, err)
			}
		})
	}
}

func TestWhatWasFoundBeforeAFailure(t *testing.T) {
	t.Parallel()
	from := listOf(1200)
	from.failsAt = 2
	found, err := usage.FindKeys(t.Context(), from, []string{"k3", "k700"})
	if err == nil || len(found) != 1 || found["k3"].GetName() != "name 3" {
		t.Errorf("%v, %v", found, err)
	}
}

// pool has tokens, which it lists by their ids or, as tokenstores of before do, page by page.
type pool struct {
	size   int
	old    bool
	asked  int
	failed error
}

func (p *pool) ListTokens(_ context.Context, r *tokenstorev1.ListTokensRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTokensResponse, error) {
	p.asked++
	answer := &tokenstorev1.ListTokensResponse{}
	if !p.old {
		for _, id := range r.GetIds() {
			if id != "gone" {
				answer.Tokens = append(answer.Tokens, &tokenstorev1.Token{Id: id})
			}
		}
		return answer, p.failed
	}
	from, _ := strconv.Atoi(r.GetCursor())
	to := min(from+int(r.GetLimit()), p.size)
	for i := from; i < to; i++ {
		answer.Tokens = append(answer.Tokens, &tokenstorev1.Token{Id: fmt.Sprint("t", i)})
	}
	if to < p.size {
		answer.NextCursor = strconv.Itoa(to)
	}
	return answer, p.failed
}

func TestWhoseATokensIDIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from        pool
		first, last int
		asked       int
	}{
		"a few of many":                        {pool{size: 10_000}, 9_000, 9_010, 1},
		"more than are asked for at a time":    {pool{size: 10_000}, 0, 1200, 3},
		"none":                                 {pool{size: 10_000}, 0, 0, 0},
		"of a tokenstore of before, the first": {pool{size: 10_000, old: true}, 0, 10, 1},
		"of a tokenstore of before, far back":  {pool{size: 10_000, old: true}, 2990, 3000, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ids := []string{"", "admin", usage.Others}
			for i := c.first; i < c.last; i++ {
				ids = append(ids, fmt.Sprint("t", i), fmt.Sprint("t", i))
			}
			found, err := usage.FindTokens(t.Context(), &c.from, ids)
			if err != nil || len(found) != c.last-c.first || c.from.asked != c.asked {
				t.Errorf("%d found, %d asked, %v", len(found), c.from.asked, err)
			}
			for id, token := range found {
				if token.GetId() != id {
					t.Errorf("%s is %s", id, token.GetId())
				}
			}
		})
	}
	away := &pool{failed: errors.New("away")}
	if found, err := usage.FindTokens(t.Context(), away, []string{"t1", "gone"}); !errors.Is(err, away.failed) || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
}
