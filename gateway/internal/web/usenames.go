package web

import (
	"context"

	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// useNames are what people call keys and tokens, by dimension and id. What it does not have is
// deleted, or too far back in a list; its id speaks for itself.
type useNames struct {
	known map[string]map[string]string
	texts texts
}

// name is what people call what has this id in a dimension.
func (n useNames) name(dimension, id string) string {
	if name := n.known[dimension][id]; name != "" {
		return name
	}
	switch {
	case id == "":
		return "–"
	case id == usage.Others:
		return n.texts["use.others"]
	case dimension == "key":
		return n.texts.label("caller", id)
	case dimension == "token":
		return n.texts.label("use_token", id)
	}
	return id
}

// about is the address of the page about a key or a token that is there.
func (n useNames) about(dimension, id string) string {
	if _, there := n.known[dimension][id]; !there {
		return ""
	}
	return "/admin/" + dimension + "s/" + id
}

// namesOf looks up the names of the keys and tokens in the rows, and of those that the query is
// narrowed to. Without names the page has ids.
func (s *Site) namesOf(ctx context.Context, q useQuery, rows []useRow, texts texts) useNames {
	keyIDs, tokenIDs := []string{q.Key}, []string{q.Token}
	for _, row := range rows {
		switch q.By {
		case "key":
			keyIDs = append(keyIDs, row.ID)
		case "token":
			tokenIDs = append(tokenIDs, row.ID)
		}
	}
	keys, _ := usage.FindKeys(ctx, s.Keys, keyIDs)
	tokens, _ := usage.FindTokens(ctx, s.Tokens, tokenIDs)
	return useNames{map[string]map[string]string{
		"key":   usage.Names(keys, (*tokenstorev1.ClientKey).GetName),
		"token": usage.Names(tokens, func(token *tokenstorev1.Token) string { return tokenRow{token}.Name() }),
	}, texts}
}
