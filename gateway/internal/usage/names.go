package usage

import (
	"context"
	"maps"
	"slices"

	"google.golang.org/grpc"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// namesPage is how many keys or tokens are asked for at a time, maxNamesPages how often: what
	// is beyond goes by its id.
	namesPage     = 500
	maxNamesPages = 40
)

// Others is the id of what a step of time has too many names of.
const Others = "(others)"

// nobodys are the ids of rows that are of no client key, or of no token of the pool.
var nobodys = map[string]bool{"": true, Others: true, "admin": true, "session": true, "own": true, "none": true}

// Logged tells whether the request log knows what is used by this id: it is of a client key, a
// token, a model or an upstream.
func Logged(id string) bool { return !nobodys[id] }

// Keys lists client keys.
type Keys interface {
	ListKeys(context.Context, *tokenstorev1.ListKeysRequest, ...grpc.CallOption) (*tokenstorev1.ListKeysResponse, error)
}

// Tokens lists the tokens of the pool.
type Tokens interface {
	ListTokens(context.Context, *tokenstorev1.ListTokensRequest, ...grpc.CallOption) (*tokenstorev1.ListTokensResponse, error)
}

// FindKeys returns the client keys that have the ids, by these. Those that are no more, or are too
// far back in the list, are left out. With an error it returns what was found before.
func FindKeys(ctx context.Context, from Keys, ids []string) (map[string]*tokenstorev1.ClientKey, error) {
	return find(wantedOf(ids), (*tokenstorev1.ClientKey).GetId, func(cursor string) ([]*tokenstorev1.ClientKey, string, error) {
		page, err := from.ListKeys(ctx, &tokenstorev1.ListKeysRequest{Limit: namesPage, Cursor: cursor, OmitStanding: true})
		keys := make([]*tokenstorev1.ClientKey, 0, len(page.GetKeys()))
		for _, listed := range page.GetKeys() {
			keys = append(keys, listed.GetKey())
		}
		return keys, page.GetNextCursor(), err
	})
}

// FindTokens is FindKeys for tokens of the pool. They are asked for by their ids; of a tokenstore
// that lists the pool all the same the pages are turned.
func FindTokens(ctx context.Context, from Tokens, ids []string) (map[string]*tokenstorev1.Token, error) {
	found := map[string]*tokenstorev1.Token{}
	for some := range slices.Chunk(wantedOf(ids), namesPage) {
		more, err := find(some, (*tokenstorev1.Token).GetId, func(cursor string) ([]*tokenstorev1.Token, string, error) {
			page, err := from.ListTokens(ctx, &tokenstorev1.ListTokensRequest{Ids: some, Limit: namesPage, Cursor: cursor})
			return page.GetTokens(), page.GetNextCursor(), err
		})
		maps.Copy(found, more)
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// wantedOf are the ids that something has, each once, in order.
func wantedOf(ids []string) []string {
	wanted := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return nobodys[id] })
	slices.Sort(wanted)
	return slices.Compact(wanted)
}

// IDs are those that the rows have.
func IDs(rows []*tokenstorev1.UsageRow, idOf func(*tokenstorev1.UsageRow) string) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = idOf(row)
	}
	return ids
}

// Names are those of what was found, by ids.
func Names[T any](found map[string]T, nameOf func(T) string) map[string]string {
	names := make(map[string]string, len(found))
	for id, each := range found {
		names[id] = nameOf(each)
	}
	return names
}

// find turns the pages of a list until all are found. The ids are sorted.
func find[T any](ids []string, idOf func(T) string, list func(cursor string) (page []T, next string, err error)) (map[string]T, error) {
	found, cursor := map[string]T{}, ""
	for page := 0; page < maxNamesPages && len(found) < len(ids); page++ {
		listed, next, err := list(cursor)
		if err != nil {
			return found, err
		}
		for _, each := range listed {
			id := idOf(each)
			if _, wanted := slices.BinarySearch(ids, id); wanted {
				found[id] = each
			}
		}
		if next == "" {
			break
		}
		cursor = next
	}
	return found, nil
}
