package clientkey

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// MaxKeys bounds the keys of a store, without deleted ones.
const MaxKeys = 100_000

// Bounds of one key.
const (
	maxName     = 100 // characters
	maxTags     = 16
	maxTag      = 64 // characters
	maxModels   = 100
	maxModel    = 200 // bytes
	maxNetworks = 100
)

// star is what a pattern has where any text may stand.
const star = "*"

// Fields are the names of what an admin may change of a key, as in update masks.
var Fields = []string{"name", "tags", "disabled", "expires_at", "models", "networks", "limits", "scopes"}

// Scopes are what a key may be allowed at /mcp: to look at the pool, or to change it as well.
var Scopes = []string{"pool:read", "pool:write"}

// Said is the key with nothing but the Fields, each in the one way in which it is kept: names
// without spaces at their ends, lists without what is there twice, networks in canonical form.
// Whether it can be is for Check to say.
func Said(key *tokenstorev1.ClientKey) *tokenstorev1.ClientKey {
	said := &tokenstorev1.ClientKey{
		Name: strings.TrimSpace(key.GetName()), Tags: trimmed(key.GetTags()), Disabled: key.GetDisabled(),
		Models: trimmed(key.GetModels()), Networks: trimmed(key.GetNetworks()),
		Scopes: inOrder(trimmed(key.GetScopes())),
	}
	if key.GetExpiresAt() != nil {
		said.ExpiresAt = proto.CloneOf(key.GetExpiresAt())
	}
	for i, text := range said.GetNetworks() {
		if network, err := parseNetwork(text); err == nil {
			said.Networks[i] = network.String()
		}
	}
	said.Networks = unique(said.GetNetworks())
	for _, limit := range key.GetLimits() {
		said.Limits = append(said.Limits, proto.CloneOf(limit))
	}
	return said
}

// inOrder sorts a list whose order means nothing.
func inOrder(texts []string) []string {
	slices.Sort(texts)
	return texts
}

func trimmed(texts []string) []string {
	all := make([]string, len(texts))
	for i, each := range texts {
		all[i] = strings.TrimSpace(each)
	}
	return unique(all)
}

// unique leaves out what was there before.
func unique(texts []string) []string {
	var all []string
	for _, each := range texts {
		if !slices.Contains(all, each) {
			all = append(all, each)
		}
	}
	return all
}

// Take copies the named Fields of other into a key. It errs for a name that is none.
func Take(key, other *tokenstorev1.ClientKey, names []string) error {
	if len(names) == 0 {
		return errors.New("update_mask: no field is named")
	}
	into, from := key.ProtoReflect(), other.ProtoReflect()
	for _, name := range names {
		if !slices.Contains(Fields, name) {
			return fmt.Errorf("update_mask: there is no field %q that can be changed", name)
		}
		field := into.Descriptor().Fields().ByTextName(name)
		if from.Has(field) {
			into.Set(field, from.Get(field))
		} else {
			into.Clear(field)
		}
	}
	return nil
}

// Check returns everything that is wrong with what is Said of a key, each problem beginning with
// the field that has it.
func Check(key *tokenstorev1.ClientKey) error {
	problems := []error{checkName(key.GetName())}
	problems = append(problems, checkList("tags", key.GetTags(), maxTags, checkTag)...)
	problems = append(problems, checkList("models", key.GetModels(), maxModels, checkModel)...)
	problems = append(problems, checkList("networks", key.GetNetworks(), maxNetworks, checkNetwork)...)
	problems = append(problems, checkList("scopes", key.GetScopes(), len(Scopes), checkScope)...)
	if at := key.GetExpiresAt(); at != nil && at.CheckValid() != nil {
		problems = append(problems, errors.New("expires_at: a time from the year 1 to 9999 wanted"))
	}
	return errors.Join(append(problems, checkLimits(key.GetLimits())...)...)
}

// CheckNew is Check for a key that is made now.
func CheckNew(key *tokenstorev1.ClientKey, now time.Time) error {
	err := Check(key)
	if at := key.GetExpiresAt(); at.IsValid() && !now.Before(at.AsTime()) {
		err = errors.Join(err, errors.New("expires_at: a time to come wanted"))
	}
	return err
}

func checkList(field string, texts []string, most int, check func(string) error) []error {
	if len(texts) > most {
		return []error{fmt.Errorf("%s: at most %d", field, most)}
	}
	var problems []error
	for i, each := range texts {
		if err := check(each); err != nil {
			problems = append(problems, fmt.Errorf("%s[%d]: %w", field, i, err))
		}
	}
	return problems
}

func checkName(name string) error {
	if name == "" || utf8.RuneCountInString(name) > maxName {
		return fmt.Errorf("name: 1 to %d characters", maxName)
	}
	if !printable(name) {
		return errors.New("name: it has a character that can't be shown")
	}
	return nil
}

func checkTag(tag string) error {
	if tag == "" || utf8.RuneCountInString(tag) > maxTag || !printable(tag) {
		return fmt.Errorf("1 to %d characters that can be shown", maxTag)
	}
	return nil
}

func checkModel(model string) error {
	switch {
	case model == "" || len(model) > maxModel:
		return fmt.Errorf("1 to %d bytes", maxModel)
	case !printable(model) || strings.ContainsRune(model, ' '):
		return errors.New("no spaces and no control characters")
	case strings.Count(model, star) > 1:
		return errors.New("at most one `*`")
	default:
		return nil
	}
}

func checkScope(scope string) error {
	if !slices.Contains(Scopes, scope) {
		return fmt.Errorf("%s wanted", strings.Join(Scopes, " or "))
	}
	return nil
}

func checkNetwork(text string) error {
	_, err := parseNetwork(text)
	return err
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

var errNetwork = errors.New("a network such as 10.0.0.0/8 or 2001:db8::/32, or an address, wanted")

// parseNetwork reads a network, or a single address, in canonical form: without bits behind its
// length, and IPv4 never as a part of IPv6.
func parseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, errNetwork
		}
		network = netip.PrefixFrom(address, address.BitLen())
	}
	if mapped := network.Addr().BitLen() - netip.IPv4Unspecified().BitLen(); network.Addr().Is4In6() && network.Bits() >= mapped {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-mapped)
	}
	return network.Masked(), nil
}
