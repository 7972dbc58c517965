package clientkey

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func TestSecrets(t *testing.T) {
	t.Parallel()
	id := NewID()
	one, other := NewSecret(id), NewSecret(id)
	if form := regexp.MustCompile(`^sk-carousel-` + id + `-[A-Za-z0-9_-]{43}$`); !form.MatchString(one.Reveal()) || one.Reveal() == other.Reveal() {
		t.Errorf("%s, %s", one.Reveal(), other.Reveal())
	}
	if !IsID(id) || id == NewID() {
		t.Errorf("id %s", id)
	}
	if again := Hash(one); Hash(other) == again || Hash(one) != again {
		t.Error("hashes")
	}
	if shown := Masked(one); shown != "sk-carousel-"+id+"-…"+one.Reveal()[len(one.Reveal())-4:] {
		t.Errorf("shown: %s", shown)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	at := func(distance time.Duration) *timestamppb.Timestamp { return timestamppb.New(now.Add(distance)) }
	for name, c := range map[string]struct {
		key     *tokenstorev1.ClientKey
		deleted time.Time
		want    tokenstorev1.KeyState
	}{
		"never expires":        {&tokenstorev1.ClientKey{}, time.Time{}, tokenstorev1.KeyState_KEY_STATE_ACTIVE},
		"expires later":        {&tokenstorev1.ClientKey{ExpiresAt: at(1)}, time.Time{}, tokenstorev1.KeyState_KEY_STATE_ACTIVE},
		"expires now":          {&tokenstorev1.ClientKey{ExpiresAt: at(0)}, time.Time{}, tokenstorev1.KeyState_KEY_STATE_EXPIRED},
		"disabled and expired": {&tokenstorev1.ClientKey{Disabled: true, ExpiresAt: at(0)}, time.Time{}, tokenstorev1.KeyState_KEY_STATE_DISABLED},
		"deleted":              {&tokenstorev1.ClientKey{Disabled: true}, now, tokenstorev1.KeyState_KEY_STATE_DELETED},
	} {
		if got := State(c.key, c.deleted, now); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What is meant is kept in one form, however it was written.
func TestSaid(t *testing.T) {
	t.Parallel()
	said := Said(&tokenstorev1.ClientKey{
		Id: "x", Name: "\tteam \n", Tags: []string{" a", "b", "a "}, Models: []string{" gpt-* ", "gpt-*"}, Scopes: []string{" pool:write", "pool:read", "pool:write "}, MaskedSecret: "x", Version: 3,
		Networks: []string{"10.1.2.3/8", "10.0.0.0/8", "192.0.2.1", "::ffff:192.0.2.1", "2001:DB8::1/32", "::1", "::ffff:10.0.0.0/104", "nonsense"},
	})
	want := &tokenstorev1.ClientKey{
		Name: "team", Tags: []string{"a", "b"}, Models: []string{"gpt-*"}, Scopes: []string{"pool:read", "pool:write"},
		Networks: []string{"10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "::1/128", "nonsense"},
	}
	if diff := cmp.Diff(want, said, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(said, Said(said), protocmp.Transform()); diff != "" {
		t.Errorf("what is kept is meant otherwise: %s", diff)
	}
}

func TestTake(t *testing.T) {
	t.Parallel()
	full := func() *tokenstorev1.ClientKey {
		return &tokenstorev1.ClientKey{
			Name: "n", Tags: []string{"t"}, Disabled: true, ExpiresAt: timestamppb.New(now), Models: []string{"m"}, Networks: []string{"::/0"}, Scopes: []string{"pool:read"},
			Limits: []*tokenstorev1.KeyLimit{limit(requests, atOnce, 1, "")},
		}
	}
	for _, name := range Fields {
		key := full()
		if err := Take(key, &tokenstorev1.ClientKey{}, []string{name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		field := key.ProtoReflect().Descriptor().Fields().ByTextName(name)
		if key.ProtoReflect().Has(field) {
			t.Errorf("%s is not cleared", name)
		}
		if err := Take(key, full(), []string{name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(full(), key, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, names := range [][]string{nil, {"id"}, {"name", "version"}, {"masked_secret"}, {"limits.amount"}, {""}} {
		if err := Take(full(), full(), names); err == nil || !strings.HasPrefix(err.Error(), "update_mask: ") {
			t.Errorf("%v: %v", names, err)
		}
	}
}

const (
	requests = tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS
	tokens   = tokenstorev1.KeyUnit_KEY_UNIT_TOKENS
	usd      = tokenstorev1.KeyUnit_KEY_UNIT_USD
	atOnce   = tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE
	minute   = tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE
	day      = tokenstorev1.KeyPeriod_KEY_PERIOD_DAY
	week     = tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK
	month    = tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH
	total    = tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL
)

func limit(unit tokenstorev1.KeyUnit, period tokenstorev1.KeyPeriod, amount uint64, zone string) *tokenstorev1.KeyLimit {
	return &tokenstorev1.KeyLimit{Unit: unit, Period: period, Amount: amount, TimeZone: zone}
}

func many(n int, text string) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint(text, i)
	}
	return texts
}

func TestKeysThatCanBe(t *testing.T) {
	t.Parallel()
	var everything []*tokenstorev1.KeyLimit
	for _, period := range []tokenstorev1.KeyPeriod{atOnce, minute, day, week, month, total} {
		for _, unit := range unitsOf[period] {
			everything = append(everything, limit(unit, period, maxAmount, ""))
		}
	}
	if len(everything) != maxLimits {
		t.Errorf("there are %d limits, not %d", len(everything), maxLimits)
	}
	for name, key := range map[string]*tokenstorev1.ClientKey{
		"a name alone":     {Name: "ü"},
		"scopes":           {Name: "n", Scopes: []string{"pool:write", "pool:read", "pool:read"}},
		"all of its room":  {Name: strings.Repeat("ü", 100), Tags: many(16, strings.Repeat("ü", 60)), Models: many(100, strings.Repeat("m", 190)), Limits: everything},
		"patterns":         {Name: "n", Models: []string{"*", "gpt-*", "*-mini", "a*b"}},
		"networks":         {Name: "n", Networks: []string{"0.0.0.0/0", "::/0", "10.0.0.1/32"}},
		"zones":            {Name: "n", Limits: []*tokenstorev1.KeyLimit{limit(usd, day, 1, "Europe/Berlin"), limit(usd, week, 1, "UTC"), limit(usd, month, 1, "Etc/GMT+12")}},
		"expires in time":  {Name: "n", ExpiresAt: timestamppb.New(now.Add(1))},
		"same unit, other": {Name: "n", Limits: []*tokenstorev1.KeyLimit{limit(usd, day, 1, ""), limit(usd, week, 1, "")}},
	} {
		if err := CheckNew(Said(key), now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysThatCantBe(t *testing.T) {
	t.Parallel()
	limited := func(limits ...*tokenstorev1.KeyLimit) *tokenstorev1.ClientKey {
		return &tokenstorev1.ClientKey{Limits: limits}
	}
	good := limit(tokens, minute, 1, "")
	for name, c := range map[string]struct {
		key   *tokenstorev1.ClientKey
		field string
	}{
		"no name":                {&tokenstorev1.ClientKey{Name: " "}, "name"},
		"a long name":            {&tokenstorev1.ClientKey{Name: strings.Repeat("ü", 101)}, "name"},
		"two lines":              {&tokenstorev1.ClientKey{Name: "a\nb"}, "name"},
		"an escape":              {&tokenstorev1.ClientKey{Name: "a\x1b[2J"}, "name"},
		"turned around":          {&tokenstorev1.ClientKey{Name: "a\u202eb"}, "name"},
		"no UTF-8":               {&tokenstorev1.ClientKey{Name: "a\xff"}, "name"},
		"many tags":              {&tokenstorev1.ClientKey{Tags: many(17, "t")}, "tags"},
		"an empty tag":           {&tokenstorev1.ClientKey{Tags: []string{"t", ""}}, "tags[1]"},
		"a long tag":             {&tokenstorev1.ClientKey{Tags: []string{strings.Repeat("t", 65)}}, "tags[0]"},
		"many models":            {&tokenstorev1.ClientKey{Models: many(101, "m")}, "models"},
		"two stars":              {&tokenstorev1.ClientKey{Models: []string{"m", "a*b*"}}, "models[1]"},
		"an empty model":         {&tokenstorev1.ClientKey{Models: []string{""}}, "models[0]"},
		"a long model":           {&tokenstorev1.ClientKey{Models: []string{strings.Repeat("m", 201)}}, "models[0]"},
		"a model with a space":   {&tokenstorev1.ClientKey{Models: []string{"gpt 5"}}, "models[0]"},
		"many networks":          {&tokenstorev1.ClientKey{Networks: many(101, "10.0.0.")}, "networks"},
		"no scope":               {&tokenstorev1.ClientKey{Scopes: []string{"pool:read", "admin"}}, "scopes[0]"},
		"a scope in capitals":    {&tokenstorev1.ClientKey{Scopes: []string{"POOL:READ"}}, "scopes[0]"},
		"no network":             {&tokenstorev1.ClientKey{Networks: []string{"::1", "example.com"}}, "networks[1]"},
		"a network too long":     {&tokenstorev1.ClientKey{Networks: []string{"10.0.0.0/33"}}, "networks[0]"},
		"an address of a zone":   {&tokenstorev1.ClientKey{Networks: []string{"fe80::1%eth0"}}, "networks[0]"},
		"a range":                {&tokenstorev1.ClientKey{Networks: []string{"10.0.0.1-10.0.0.9"}}, "networks[0]"},
		"no time":                {&tokenstorev1.ClientKey{ExpiresAt: &timestamppb.Timestamp{Nanos: -1}}, "expires_at"},
		"expires at once":        {&tokenstorev1.ClientKey{ExpiresAt: timestamppb.New(now)}, "expires_at"},
		"no unit":                {limited(good, limit(0, day, 1, "")), "limits[1].unit"},
		"no period":              {limited(limit(usd, 0, 1, "")), "limits[0].period"},
		"a period to come":       {limited(limit(usd, 99, 1, "")), "limits[0].period"},
		"tokens at a time":       {limited(limit(tokens, atOnce, 1, "")), "limits[0].unit"},
		"dollars a minute":       {limited(limit(usd, minute, 1, "")), "limits[0].unit"},
		"nothing":                {limited(limit(usd, day, 0, "")), "limits[0].amount"},
		"too much":               {limited(limit(usd, day, maxAmount+1, "")), "limits[0].amount"},
		"a zone in all":          {limited(limit(usd, total, 1, "UTC")), "limits[0].time_zone"},
		"a minute's zone":        {limited(limit(tokens, minute, 1, "UTC")), "limits[0].time_zone"},
		"no zone":                {limited(limit(usd, day, 1, "Mars/Olympus")), "limits[0].time_zone"},
		"this machine's zone":    {limited(limit(usd, day, 1, "Local")), "limits[0].time_zone"},
		"a file":                 {limited(limit(usd, day, 1, "../../etc/passwd")), "limits[0].time_zone"},
		"twice":                  {limited(good, limit(tokens, minute, 2, "")), "limits[1]"},
		"more than there can be": {limited(slices.Repeat([]*tokenstorev1.KeyLimit{good}, 16)...), "limits"},
	} {
		if c.field != "name" {
			c.key.Name = "n"
		}
		err := CheckNew(Said(c.key), now)
		if err == nil || !strings.HasPrefix(err.Error(), c.field+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever text comes in as a network, it is refused or kept in a form that stays as it is.
func FuzzNetworks(f *testing.F) {
	for _, text := range []string{"10.1.2.3/8", "::ffff:1.2.3.4/100", "::ffff:1.2.3.4/90", "fe80::1%1", "1.2.3.4", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		network, err := parseNetwork(text)
		if err != nil {
			return
		}
		again, err := parseNetwork(network.String())
		if err != nil || again != network || network != network.Masked() {
			t.Errorf("%q is %v, and that %v, %v", text, network, again, err)
		}
	})
}
