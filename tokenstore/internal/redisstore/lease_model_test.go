package redisstore

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/rotation"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// modelToken is a token as the model sees it.
type modelToken struct {
	id                         string
	enabled, expired, cooling  bool
	coolingFor                 map[string]*modelCooling
	phase, cause               string
	cap, weight                int
	epoch, version             int
	streak, requests, failures int
	lastError                  string
	// waits: it is in the order, at due; else it comes back at the clock with the
	// first acquire that finds it fit.
	waits bool
	due   float64
	open  map[string]bool
}

// modelCooling is the cooling for one model, until it has been probed with success.
type modelCooling struct {
	over   bool
	streak int
	// probe is the lease that finds out. One that has lapsed keeps nobody out, until it is renewed.
	probe  string
	lapsed bool
}

// room is how many leases more the token has for the demand.
func (t *modelToken) room(wanted leasing.Wanted) int {
	n := 0
	for id := range t.open {
		if (leasing.LeaseRef{LeaseID: id}).Epoch() == uint64(t.epoch) {
			n++
		}
	}
	room := math.MaxInt
	if t.cap > 0 {
		room = t.cap - len(t.open)
	}
	if t.phase == token.Quarantined {
		room = min(room, 1-n)
	} else if t.phase != "" {
		most, _ := strconv.Atoi(t.phase) // nobody asks for a parked one's
		room = min(room, most-n)
	}
	if t.coolingFor[wanted.Model] != nil {
		room = min(room, 1)
	}
	return room
}

// success opens the token further.
func (t *modelToken) success() {
	t.lastError = ""
	most, err := strconv.Atoi(t.phase)
	if most *= 2; err == nil && most <= 8 && (t.cap == 0 || most < t.cap) {
		t.phase = strconv.Itoa(most)
		return
	}
	t.phase, t.streak = "", 0
}

// endProbe returns how often the token has cooled for the model of which the lease
// was a probe.
func (t *modelToken) endProbe(lease string, effect leasing.Effect) int {
	for name, cooling := range t.coolingFor {
		if cooling.probe != lease {
			continue
		}
		cooling.probe = ""
		if effect == leasing.Succeeded {
			delete(t.coolingFor, name)
		}
		return cooling.streak
	}
	return 0
}

// model is what the scripts do, in plain Go: no order kept, no shortcuts.
type model struct {
	tokens map[string]*modelToken
	// trash has the deleted ones.
	trash map[string]*modelToken
	clock float64
	guard *modelGuard
	// tripped are the models of which the guard has seen a cause in the present step.
	tripped []string
}

// named is the token that the demand is for, empty: any. Each one's alias is its id.
func named(wanted leasing.Wanted) string { return cmp.Or(wanted.Alias, wanted.TokenID) }

// asks tells whether the demand is for the token.
func asks(wanted leasing.Wanted, id string) bool { return named(wanted) == "" || named(wanted) == id }

// leavesSlots tells whether the demand takes nothing of tokens with a cap.
func leavesSlots(wanted leasing.Wanted) bool {
	return wanted.Uncapped || wanted.Ahead && (named(wanted) != "" || wanted.Affinity != "")
}

// excludes says why the token is not eligible.
func (m *model) excludes(t *modelToken, wanted leasing.Wanted) string {
	ofModel := t.coolingFor[wanted.Model]
	switch {
	case !t.enabled:
		return "disabled"
	case t.phase == token.Parked:
		return "parked"
	case t.expired:
		return "expired"
	case t.cooling:
		return "cooling"
	case ofModel != nil && !ofModel.over:
		return "cooling_model"
	case ofModel != nil && ofModel.probe != "" && !ofModel.lapsed:
		return "probing_model"
	case slices.Contains(wanted.Exclude, t.id):
		return "tried"
	case t.cap > 0 && (leavesSlots(wanted) || len(t.open) >= t.cap):
		return "capped"
	case t.room(wanted) > 0:
		return ""
	case t.phase == token.Quarantined:
		return "quarantined"
	default:
		return "probing"
	}
}

// heldBack tells whether the token has its turn, and is left to those who ask now.
func (m *model) heldBack(t *modelToken, wanted leasing.Wanted) bool {
	anyway := wanted
	anyway.Ahead, anyway.Uncapped = false, false
	byKey := wanted.Affinity != "" && named(wanted) == ""
	return leavesSlots(wanted) && wanted.Ahead && !byKey && t.cap > 0 && m.excludes(t, anyway) == ""
}

func (m *model) acquire(wanted leasing.Wanted) (picks []string, shortage leasing.Shortage) {
	eligible := []rotation.Candidate{}
	rooms := map[string]int{}
	let, any := m.guard.lets(wanted)
	if !any && wanted.Ahead {
		let = 0
	}
	if !any {
		wanted.Count = min(wanted.Count, let)
	}
	if wanted.Count == 0 {
		shortage = m.shortage(wanted)
		if left, _ := m.guard.lets(wanted); left == 0 {
			shortage.Cause = sharedClass
		}
		return nil, shortage
	}
	for _, t := range m.tokens {
		if !t.waits && t.enabled && !t.cooling && t.phase != token.Parked {
			t.waits, t.due = true, m.clock
		}
		if asks(wanted, t.id) && (m.excludes(t, wanted) == "" || m.heldBack(t, wanted)) {
			eligible = append(eligible, rotation.Candidate{ID: t.id, Weight: t.weight, InFlight: len(t.open), Score: t.due})
			rooms[t.id] = t.room(wanted)
		}
	}
	idle, slots := 0, 0 // of tokens with a cap
	for id, room := range rooms {
		if m.tokens[id].cap > 0 {
			idle += room
		}
	}
	load, by := m.load(), wanted.Affinity
	if named(wanted) != "" {
		by = ""
	}
	for len(picks) < wanted.Count && len(eligible) > 0 {
		next := rotation.Next(token.RoundRobin, eligible)
		if by != "" {
			next = rotation.Affine(by, load, eligible)
		}
		picked := &eligible[next]
		if m.heldBack(m.tokens[picked.ID], wanted) {
			break
		}
		if m.tokens[picked.ID].cap > 0 {
			if slots++; wanted.Ahead && !leavesSlots(wanted) && 2*slots > idle {
				break // as many are to be left as are lent
			}
		}
		picks = append(picks, picked.ID)
		picked.Score, m.clock = rotation.Later(*picked, m.clock, named(wanted) == "" && by == "")
		m.tokens[picked.ID].due = picked.Score
		picked.InFlight++
		load.Leases++
		if rooms[picked.ID]--; rooms[picked.ID] == 0 {
			eligible = slices.Delete(eligible, next, next+1)
		}
	}
	if len(picks) > 0 {
		m.guard.granted(wanted.Model, len(picks))
		return picks, shortage
	}
	return nil, m.shortage(wanted)
}

// load is what the pool has to do.
func (m *model) load() (load rotation.Load) {
	for _, t := range m.tokens {
		if t.enabled && t.phase != token.Parked && !t.expired && !t.cooling {
			load.Tokens++
		}
		load.Leases += len(t.open)
	}
	return load
}

// shortage counts what excludes the tokens that the demand is for.
func (m *model) shortage(wanted leasing.Wanted) (shortage leasing.Shortage) {
	for _, t := range m.tokens {
		if !asks(wanted, t.id) {
			continue
		}
		shortage.Total++
		switch m.excludes(t, wanted) {
		case "disabled":
			shortage.Disabled++
		case "expired":
			shortage.Expired++
		case "cooling", "cooling_model":
			shortage.Cooling++
		case "tried":
			shortage.Tried++
		case "capped":
			shortage.Capped++
		case "parked":
			shortage.Parked++
		case "probing", "probing_model":
			shortage.Probing++
		case "quarantined":
			shortage.Quarantined++
		}
	}
	return shortage
}

func (m *model) settle(s leasing.Settlement) leasing.Settled {
	t := m.tokens[s.TokenID]
	if t == nil {
		return leasing.Settled{Upstream: somewhere}
	}
	live := t.open[s.LeaseID]
	delete(t.open, s.LeaseID)
	current := s.Epoch() == uint64(t.epoch)
	if live && s.Effect != leasing.Unused {
		t.requests++
		if s.Effect == leasing.Failed {
			t.failures++
		}
	}
	if live && current {
		switch s.Effect {
		case leasing.Failed:
			t.lastError = s.Error
		case leasing.Succeeded:
			t.success()
		case leasing.Unused:
			if t.waits {
				t.due -= 1 / float64(t.weight)
			}
		case leasing.Neutral:
		}
	}
	if live && s.Effect == leasing.Succeeded {
		m.guard.serves(s.LeaseRef, s.Model)
	}
	settled := leasing.Settled{Live: live, Upstream: somewhere}
	if live {
		m.judged(&settled, t, s, t.endProbe(s.LeaseID, s.Effect))
	}
	return settled
}

// judged carries the settlement's verdict out.
func (m *model) judged(settled *leasing.Settled, t *modelToken, s leasing.Settlement, ofModel int) {
	v := s.Verdict
	if v == nil {
		return
	}
	if v.Shareable {
		switch m.guard.witness(failure{LeaseRef: s.LeaseRef, Model: v.AskedModel, RequestID: v.RequestID}) {
		case "tripped":
			m.tripped = append(m.tripped, v.AskedModel)
			fallthrough
		case "shared":
			settled.Became = leasing.Blameless
			return
		}
	}
	if len(v.CoolFor) == 0 || s.Epoch() != uint64(t.epoch) {
		return
	}
	if v.Class == sharedClass && m.guard.causes[v.AskedModel] != nil {
		settled.Became = leasing.Blameless
		return
	}
	streak := ofModel
	if v.Model == "" {
		if streak = t.streak; t.cause != v.Class {
			streak = 0
		}
	}
	settled.Became, settled.CoolFor, settled.Streak = leasing.Cooling, v.CoolFor[min(streak, len(v.CoolFor)-1)], streak+1
	if settled.CoolFor == 0 {
		settled.Became = leasing.Parked
	}
	m.transit(t, v.Model, v.Class, settled.CoolFor, settled.Streak)
}

func (m *model) transit(t *modelToken, model, class string, cool time.Duration, streak int) {
	switch {
	case model != "":
		t.coolingFor[model] = &modelCooling{streak: streak}
	case cool > 0:
		t.cooling, t.waits, t.streak, t.cause, t.phase = true, false, streak, class, "1"
	default:
		t.cooling, t.waits, t.streak, t.cause, t.phase = false, false, streak, class, token.Parked
	}
	t.epoch++
}

func (m *model) renew(ref leasing.LeaseRef) (held bool) {
	t := m.tokens[ref.TokenID]
	switch {
	case t == nil:
		return false
	case t.open[ref.LeaseID]:
		return true
	case ref.Epoch() != uint64(t.epoch), t.room(leasing.Wanted{}) < 1:
		return false
	}
	t.open[ref.LeaseID] = true
	for _, cooling := range t.coolingFor {
		if cooling.probe == ref.LeaseID {
			cooling.lapsed = false
		}
	}
	return true
}

func (m *model) apply(wanted transition) bool {
	t := m.tokens[wanted.TokenID]
	if t == nil {
		return false
	}
	settled := leasing.Settled{}
	ref := leasing.LeaseRef{TokenID: wanted.TokenID, LeaseID: fmt.Sprint(wanted.Epoch, "-0")}
	m.judged(&settled, t, leasing.Settlement{LeaseRef: ref, Verdict: &leasing.Verdict{
		Class: wanted.Class, Model: wanted.Model, CoolFor: []time.Duration{wanted.CoolFor}, Evidence: wanted.Evidence,
	}}, 0)
	return settled.Became == leasing.Cooling || settled.Became == leasing.Parked
}

func (m *model) edit(t *modelToken, enabled bool, capacity, weight int) {
	if enabled != t.enabled || capacity != t.cap {
		t.epoch++
	}
	if enabled != t.enabled {
		t.waits, t.due = enabled, m.clock
		if enabled {
			t.cooling, t.coolingFor, t.streak, t.cause = false, map[string]*modelCooling{}, 0, ""
			if t.phase != token.Quarantined {
				t.phase = ""
			}
		}
	}
	t.version++
	t.enabled, t.cap, t.weight = enabled, capacity, weight
}

// machine carries each operation out on Redis and on the model.
type machine struct {
	*leasePool
	model
	leases []leasing.LeaseRef
	named  int
	// lent: slots were lent ahead, or need not be given back at once.
	lent bool
}

var (
	modelNames = []string{"m1", "m2"}
	// weights of which scores are sums without rounding, whatever the order.
	weights = []int{1, 2, 4}
)

// modelTTL is how long leases live: less than any cooling that the machine asks for. A cooling
// for a model that ends no later than the lease of a probe that is out changes nothing.
const modelTTL = 15 * time.Minute

func (m *machine) tokenIDs() []string { return slices.Sorted(maps.Keys(m.tokens)) }

// anyToken skips the step where there is none.
func (m *machine) anyToken(t *rapid.T) *modelToken {
	if len(m.tokens) == 0 {
		t.Skip("no tokens")
	}
	return m.tokens[rapid.SampledFrom(m.tokenIDs()).Draw(t, "token")]
}

func (m *machine) anyLeases(t *rapid.T) []leasing.LeaseRef {
	if len(m.leases) == 0 {
		t.Skip("no leases")
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(m.leases), 1, min(6, len(m.leases)), rapid.ID[leasing.LeaseRef]).Draw(t, "leases")
}

func (m *machine) Add(t *rapid.T) {
	m.add(rapid.IntRange(0, 9).Draw(t, "enabled") > 0, rapid.IntRange(0, 3).Draw(t, "cap"), rapid.SampledFrom(weights).Draw(t, "weight"))
}

func (m *machine) add(enabled bool, capacity, weight int) {
	m.named++
	// Ids don't ascend with time.
	id := fmt.Sprintf("%c%d", 'a'+m.named*7%26, m.named)
	added := &modelToken{
		id: id, enabled: enabled, coolingFor: map[string]*modelCooling{}, epoch: 1, version: 1, phase: token.Quarantined,
		cap: capacity, weight: weight, open: map[string]bool{}, due: m.clock,
	}
	added.waits = added.enabled
	m.tokens[id] = added
	m.homes.put(id, somewhere)
	keys := []string{
		poolIDsKey(somewhere), tokenKey(somewhere, id), namesKey(somewhere), clockKey(somewhere), lapsedKey(somewhere),
	}
	m.must(createScript.run(m.t.Context(), m.client, keys,
		id, somewhere, id, id, flag(added.enabled), added.cap, added.weight, 0, "{}", poolChannel, m.named, "", 0, "", "", 0, 0).Err())
}

// AddMany makes the pool large enough for tokens to be set aside.
func (m *machine) AddMany(t *rapid.T) {
	if len(m.tokens) > 10 {
		t.Skip("enough")
	}
	for i := range 25 {
		m.add(true, 1, weights[i%3])
	}
}

func (m *machine) Edit(t *rapid.T) {
	edited := m.anyToken(t)
	enabled := edited.enabled != rapid.Bool().Draw(t, "switch")
	capacity, weight := rapid.IntRange(0, 3).Draw(t, "cap"), rapid.SampledFrom(weights).Draw(t, "weight")
	m.must(updateScript.run(m.t.Context(), m.client, []string{
		tokenKey(somewhere, edited.id), namesKey(somewhere), clockKey(somewhere), orderKey(somewhere), coolingKey(somewhere), lapsedKey(somewhere),
	},
		edited.id, edited.version, edited.id, flag(enabled), capacity, weight, "{}", 0,
		poolChannel, "", 0).Err())
	m.edit(edited, enabled, capacity, weight)
}

func (m *machine) Delete(t *rapid.T) {
	deleted := m.anyToken(t)
	keys, args := (&deletion{id: deleted.id, upstream: somewhere}).deleting("")
	m.must(deleteScript.run(m.t.Context(), m.client, keys, args...).Err())
	deleted.version++
	delete(m.tokens, deleted.id)
	m.trash[deleted.id] = deleted
}

func (m *machine) Restore(t *rapid.T) {
	if len(m.trash) == 0 {
		t.Skip("nothing is deleted")
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.trash))).Draw(t, "restored")
	keys, args := (&claim{id: id, upstream: somewhere}).restoring()
	m.must(restoreScript.run(m.t.Context(), m.client, keys, args...).Err())
	restored := m.trash[id]
	delete(m.trash, id)
	m.tokens[id] = restored
	restored.epoch++
	restored.version++
	restored.waits, restored.due, restored.open = restored.enabled && !restored.cooling && restored.phase != token.Parked, m.clock, map[string]bool{}
}

func (m *machine) ExpireToken(t *rapid.T) {
	expired := m.anyToken(t)
	m.set(expired.id, "expires", never)
	expired.expired = true
}

func (m *machine) AcquireSome(t *rapid.T) {
	wanted := leasing.Wanted{
		Upstream: somewhere, Model: rapid.SampledFrom(modelNames).Draw(t, "model"), TTL: modelTTL,
		Count: rapid.IntRange(1, 30).Draw(t, "count"), Ahead: rapid.IntRange(0, 2).Draw(t, "ahead") == 0,
		Uncapped: rapid.IntRange(0, 5).Draw(t, "uncapped") == 0, SlotTTL: modelTTL,
		Brief: rapid.IntRange(0, 3).Draw(t, "brief") == 0,
	}
	switch one := rapid.SampledFrom(append(m.tokenIDs(), "nobody")).Draw(t, "one"); rapid.IntRange(0, 5).Draw(t, "named") {
	case 0:
		wanted.Alias = one
	case 1:
		wanted.TokenID = one
	}
	if rapid.IntRange(0, 2).Draw(t, "conversation") == 0 {
		wanted.Affinity = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
	}
	if len(m.tokens) > 0 && rapid.Bool().Draw(t, "retry") {
		wanted.Exclude = rapid.SliceOfN(rapid.SampledFrom(m.tokenIDs()), 1, 3).Draw(t, "tried")
	}
	if !wanted.Ahead && !wanted.Uncapped && len(wanted.Exclude) == 0 && named(wanted) == "" && wanted.Affinity == "" {
		m.explain(t, wanted)
	}
	// awaited tells whether leases of a token are to be given back at once, and roomy whether those
	// of tokens with a cap need not be.
	awaited, roomy := map[string]bool{}, 0
	for id, each := range m.tokens {
		uncapped := *each
		uncapped.cap = 0
		awaited[id] = uncapped.room(wanted) < math.MaxInt || wanted.Affinity != "" && named(wanted) == ""
		if each.cap > 0 && asks(wanted, id) && m.excludes(each, wanted) == "" {
			roomy += each.room(wanted)
		}
	}
	taken, shortage, err := m.Store.Acquire(m.t.Context(), wanted)
	m.must(err)
	picks, missing := m.acquire(wanted)
	if wanted.Brief {
		missing = leasing.Shortage{}
	}
	lent := shortage.Lent && !m.lent
	m.lent = m.lent || slices.ContainsFunc(taken, func(lease leasing.Taken) bool { return lease.Slot && (wanted.Ahead || !lease.Capped) })
	if shortage.Soonest, shortage.SoonestTried, shortage.Lent = 0, 0, false; lent || !slices.Equal(tokensOf(taken), picks) || shortage != missing {
		t.Fatalf("%+v: took %v, shortage %+v; the model %v, %+v", wanted, tokensOf(taken), shortage, picks, missing)
	}
	for _, lease := range taken {
		if lease.Slot {
			roomy -= 2
		}
	}
	for _, lease := range taken {
		owner := m.tokens[lease.TokenID]
		if lease.Slot != (owner.cap > 0) || lease.Capped && !lease.Slot && !awaited[lease.TokenID] || !lease.Capped && (awaited[lease.TokenID] || lease.Slot && roomy < 0) {
			t.Fatalf("%+v of %+v, with so many slots free beyond those left for others: %d", lease, owner, roomy)
		}
		if lease.Epoch() != uint64(owner.epoch) || lease.Version != uint64(owner.version) || owner.open[lease.LeaseID] {
			t.Fatalf("%+v on %+v", lease, owner)
		}
		owner.open[lease.LeaseID] = true
		m.leases = append(m.leases, lease.LeaseRef)
		cooled := owner.coolingFor[wanted.Model]
		if strings.HasSuffix(lease.LeaseID, "-p") != (cooled != nil) {
			t.Fatalf("%+v: is it a probe of %q? %+v", lease, wanted.Model, cooled)
		}
		if cooled != nil {
			cooled.probe, cooled.lapsed = lease.LeaseID, false
		}
	}
	m.holdSteps(t)
}

// explain must agree with the model on each token, and with the acquire that follows.
func (m *machine) explain(t *rapid.T, wanted leasing.Wanted) {
	explained, err := m.Explain(m.t.Context(), somewhere, wanted.Model)
	m.must(err)
	chosen, candidates := explained.Chosen, explained.Candidates
	if len(candidates) != len(m.tokens) {
		t.Fatalf("%d candidates, %d tokens", len(candidates), len(m.tokens))
	}
	for _, candidate := range candidates {
		if why := m.excludes(m.tokens[candidate.TokenID], wanted); why != candidate.ExcludedBy {
			t.Fatalf("explain: %+v, the model says %q", candidate, why)
		}
	}
	trial := model{clock: m.clock, tokens: map[string]*modelToken{}, guard: newModelGuard()}
	if cause := m.guard.causes[wanted.Model]; cause != nil {
		trial.guard.causes[wanted.Model] = new(*cause)
	}
	for id, each := range m.tokens {
		trial.tokens[id] = new(*each)
	}
	wanted.Count = 1
	if picks, _ := trial.acquire(wanted); chosen != "" && picks[0] != chosen || chosen == "" && len(picks) > 0 {
		t.Fatalf("explain chose %q, the model %v", chosen, picks)
	}
}

func (m *machine) SettleSome(t *rapid.T) {
	var settlements []leasing.Settlement
	judged := false
	for _, lease := range m.anyLeases(t) {
		effect := rapid.SampledFrom([]leasing.Effect{leasing.Unused, leasing.Succeeded, leasing.Neutral, leasing.Failed}).Draw(t, "effect")
		settlements = append(settlements, leasing.Settlement{
			LeaseRef: lease, Effect: effect, Error: string(effect) + lease.LeaseID, Model: rapid.SampledFrom(modelNames).Draw(t, "model"),
			Verdict: m.anyVerdict(t, m.tokens[lease.TokenID]),
		})
		judged = judged || settlements[len(settlements)-1].Verdict != nil
	}
	failed := maps.Clone(m.guard.failed)
	settled, err := m.Store.Settle(m.t.Context(), settlements)
	m.must(err)
	m.tripped = nil
	want := make([]leasing.Settled, len(settlements))
	for i, settlement := range settlements {
		want[i] = m.settle(settlement)
	}
	for i := range want {
		want[i].Wronged = len(m.tripped) > 0 && want[i].Upstream != ""
		if settled[i] != want[i] {
			t.Fatalf("%+v: %+v, the model %+v", settlements[i], settled[i], want[i])
		}
	}
	if len(m.tripped) > 0 { // another one would be of a window that began in between
		m.holdWronged(t, m.tripped[0], failed[m.tripped[0]])
	}
	m.holdSteps(t)
}

// anyVerdict is one of which the outcome does not depend on which of two coolings ends
// later.
func (m *machine) anyVerdict(t *rapid.T, of *modelToken) *leasing.Verdict {
	verdict := &leasing.Verdict{
		Class: rapid.SampledFrom([]string{sharedClass, "quota"}).Draw(t, "class"), Model: rapid.SampledFrom([]string{"", "m1", "m2"}).Draw(t, "cools for"),
		Evidence: leasing.Evidence{
			RequestID: rapid.SampledFrom([]string{"r1", "r2", ""}).Draw(t, "request"), AskedModel: rapid.SampledFrom(modelNames).Draw(t, "asked model"),
		},
	}
	verdict.Shareable = verdict.Class == sharedClass && rapid.Bool().Draw(t, "shareable")
	switch rapid.IntRange(0, 3).Draw(t, "verdict") {
	case 0:
		return nil
	case 1:
	default:
		verdict.CoolFor = []time.Duration{20 * time.Minute, 25 * time.Minute, 29 * time.Minute}
		if verdict.Model == "" {
			verdict.CoolFor[2] = 0
		}
	}
	if of != nil && len(verdict.CoolFor) > 0 {
		ofModel := of.coolingFor[verdict.Model]
		if verdict.Model == "" && of.cooling || ofModel != nil && !ofModel.over {
			verdict.CoolFor = nil
		}
	}
	return verdict
}

func (m *machine) RenewSome(t *rapid.T) {
	leases := m.anyLeases(t)
	lost, err := m.Store.Renew(m.t.Context(), leases, modelTTL)
	m.must(err)
	for _, lease := range leases {
		if held := m.renew(lease); held == slices.Contains(lost, lease) {
			t.Fatalf("%+v: held %v in the model", lease, held)
		}
	}
}

func (m *machine) CoolOne(t *rapid.T) {
	lease := m.anyLeases(t)[0]
	wanted := transition{
		TokenID: lease.TokenID, Epoch: lease.Epoch(), CoolFor: 20 * time.Minute,
		Model: rapid.SampledFrom([]string{"", "m1", "m2"}).Draw(t, "model"), Class: rapid.SampledFrom([]string{"auth", "quota"}).Draw(t, "cause"),
	}
	if cooling := m.tokens[lease.TokenID]; cooling != nil && wanted.Model == "" && cooling.cooling {
		t.Skip("the end of the later cooling would be later")
	} else if cooling != nil && cooling.coolingFor[wanted.Model] != nil && !cooling.coolingFor[wanted.Model].over {
		t.Skip("likewise")
	}
	wanted.AskedModel = rapid.SampledFrom(modelNames).Draw(t, "asked model")
	if wanted.Model == "" && rapid.IntRange(0, 3).Draw(t, "park") == 0 {
		wanted.CoolFor = 0
	}
	changed, err := m.Store.apply(m.t.Context(), wanted)
	m.must(err)
	if want := m.model.apply(wanted); changed != want {
		t.Fatalf("%+v: %v, the model %v", wanted, changed, want)
	}
}

// Cool ends what cools of a token, as time would.
func (m *machine) EndCooling(t *rapid.T) {
	cooled := m.anyToken(t)
	if cooled.cooling {
		m.wakeUp(cooled.id)
		cooled.cooling = false
	}
	for name, each := range cooled.coolingFor {
		if !each.over {
			m.set(cooled.id, "m:"+name, fmt.Sprint(ended(), " ", each.streak))
			each.over = true
		}
	}
}

func (m *machine) ExpireLeases(t *rapid.T) {
	for _, lease := range m.anyLeases(t) {
		owner := m.tokens[lease.TokenID]
		if owner == nil || !owner.open[lease.LeaseID] {
			continue
		}
		expire(m.leasePool, leasing.Taken{LeaseRef: lease})
		if m.field(owner.id, "due") != "" {
			m.wakeUp(owner.id)
		}
		delete(owner.open, lease.LeaseID)
		for name, cooled := range owner.coolingFor {
			if cooled.probe == lease.LeaseID { // what keeps others out ends with it
				m.set(owner.id, "m:"+name, fmt.Sprint(ended(), " ", cooled.streak, " ", lease.LeaseID))
				cooled.lapsed = true
			}
		}
	}
}

// Check compares all that the scripts keep.
func (m *machine) Check(t *rapid.T) {
	m.holdTime()
	ctx := m.t.Context()
	pipe := m.client.Pipeline()
	at, all := pipe.HGet(ctx, clockKey(somewhere), "at"), pipe.ZRangeWithScores(ctx, orderKey(somewhere), 0, -1)
	hashes, leases := map[string]*redis.MapStringStringCmd{}, map[string]*redis.IntCmd{}
	for id := range m.tokens {
		hashes[id], leases[id] = pipe.HGetAll(ctx, tokenKey(somewhere, id)), pipe.ZCount(ctx, inflightKey(somewhere, id), "2", "+inf")
	}
	m.must(sendReads(ctx, pipe))
	clock, _ := strconv.ParseFloat(at.Val(), 64) // absent: 0
	if clock != m.clock {
		t.Fatalf("clock %v, the model's %v", clock, m.clock)
	}
	order := map[string]float64{}
	for _, each := range all.Val() {
		order[each.Member.(string)] = each.Score
	}
	for id, want := range m.tokens {
		stored := hashes[id].Val()
		f := fields(stored)
		got := modelToken{
			epoch: int(f.count("epoch")), streak: int(f.count("streak")), requests: int(f.count("requests")),
			failures: int(f.count("failures")), lastError: f["last_error"],
			phase: f["phase"], cause: f["cause"],
		}
		if got.epoch != want.epoch || got.streak != want.streak || got.requests != want.requests || got.failures != want.failures || got.lastError != want.lastError || got.phase != want.phase || got.cause != want.cause {
			t.Fatalf("%s: %v, the model %+v", id, stored, want)
		}
		if open := leases[id].Val(); int(open) != len(want.open) {
			t.Fatalf("%s: %d leases open, the model has %v", id, open, want.open)
		}
		score, ordered := order[id]
		if due, aside := f["due"]; aside {
			score, _ = strconv.ParseFloat(due, 64)
			ordered = true
		}
		if ordered && want.waits && score != want.due {
			t.Fatalf("%s: due at %v, the model says %v", id, score, want.due)
		}
		if !ordered && want.waits && want.enabled && !want.expired && want.phase != token.Parked {
			t.Fatalf("%s is in no order, the model has %+v", id, want)
		}
	}
}

// Whatever happens in whatever order: Redis and the model agree.
func TestTheScriptsAgreeWithAModel(t *testing.T) {
	t.Parallel()
	pool := newLeasePool(t, testredis.Start(t))
	rapid.Check(t, func(t *rapid.T) {
		pool.must(pool.client.FlushAll(pool.t.Context()).Err())
		pool.must(pool.client.HSet(pool.t.Context(), upstreamsKey(), somewhere, "").Err())
		m := &machine{leasePool: pool, model: model{tokens: map[string]*modelToken{}, trash: map[string]*modelToken{}, guard: newModelGuard()}}
		m.guard.fellAt = m.fellAt
		for range 3 {
			m.Add(t)
		}
		t.Repeat(map[string]func(*rapid.T){
			"":                 m.Check,
			"add":              m.Add,
			"add many":         m.AddMany,
			"edit":             m.Edit,
			"delete":           m.Delete,
			"restore":          m.Restore,
			"expire token":     m.ExpireToken,
			"acquire":          m.AcquireSome,
			"acquire more":     m.AcquireSome,
			"acquire yet more": m.AcquireSome,
			"settle":           m.SettleSome,
			"settle more":      m.SettleSome,
			"renew":            m.RenewSome,
			"cool":             m.CoolOne,
			"end cooling":      m.EndCooling,
			"expire leases":    m.ExpireLeases,
			"witness":          m.WitnessSome,
			"witness more":     m.WitnessSome,
			"end step":         m.EndStep,
		})
	})
}
