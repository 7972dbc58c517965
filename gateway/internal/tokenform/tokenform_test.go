package tokenform_test

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"carousel.internal/gateway/internal/tokenform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What the contract tells apart has a name, and no two have the same.
func TestEveryStateAndKindHasAName(t *testing.T) {
	t.Parallel()
	names := func(values protoreflect.EnumValueDescriptors, nameOf func(protoreflect.EnumNumber) string) {
		seen := map[string]bool{}
		for i := range values.Len() {
			value := values.Get(i)
			name := nameOf(value.Number())
			if (name == "") != (value.Number() == 0) || seen[name] {
				t.Errorf("%s is called %q", value.Name(), name)
			}
			seen[name] = true
		}
	}
	names(tokenstorev1.TokenState(0).Descriptor().Values(), func(n protoreflect.EnumNumber) string {
		return tokenform.StateName(tokenstorev1.TokenState(n))
	})
	names(tokenstorev1.CredentialKind(0).Descriptor().Values(), func(n protoreflect.EnumNumber) string {
		return tokenform.KindName(tokenstorev1.CredentialKind(n))
	})
}
