package keyform

import (
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Fields are what an admin says of a key, as the store's masks name it.
var Fields = []string{"name", "tags", "disabled", "expires_at", "models", "networks", "limits", "scopes"}

// Undo says how a change of a key is undone. Before and became are nil where there was no key, or
// is none any more. It has no secrets.
func Undo(id string, before, became *tokenstorev1.ClientKey) *tokenstorev1.AuditUndo {
	return &tokenstorev1.AuditUndo{Keys: []*tokenstorev1.FormerKey{{Id: id, Key: before, Became: became}}}
}

// Same tells whether an admin says the same of two keys, whatever their secrets and versions are;
// nil is none.
func Same(a, b *tokenstorev1.ClientKey) bool { return proto.Equal(said(a), said(b)) }

func said(key *tokenstorev1.ClientKey) *tokenstorev1.ClientKey {
	if key == nil {
		return nil
	}
	return &tokenstorev1.ClientKey{
		Name: key.GetName(), Tags: key.GetTags(), Disabled: key.GetDisabled(), ExpiresAt: key.GetExpiresAt(),
		Models: key.GetModels(), Networks: key.GetNetworks(), Limits: key.GetLimits(), Scopes: key.GetScopes(),
	}
}
