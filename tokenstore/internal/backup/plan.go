package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/clientkey"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
)

const (
	// maxItems bounds how many changes of one kind and action are shown.
	maxItems = 200
	// maxReason bounds why one is refused, in characters.
	maxReason = 400
)

// change is what a restore does about one thing.
type change struct {
	action tokenstorev1.RestoreAction
	detail string
	// wanted is nil of what the backup doesn't have, present of what the store doesn't.
	wanted, present *entry
}

// entry is what the change is about.
func (c *change) entry() *entry {
	if c.wanted != nil {
		return c.wanted
	}
	return c.present
}

func (c *change) refuse(why string) {
	c.action, c.detail = tokenstorev1.RestoreAction_RESTORE_ACTION_REFUSE, shortened(strings.ReplaceAll(why, "\n", "; "), maxReason)
}

// writes tells whether what the backup has is to be written.
func (c *change) writes() bool {
	return c.action == tokenstorev1.RestoreAction_RESTORE_ACTION_ADD || c.action == tokenstorev1.RestoreAction_RESTORE_ACTION_CHANGE
}

func (c *change) removes() bool { return c.action == tokenstorev1.RestoreAction_RESTORE_ACTION_REMOVE }

// Plan is what a restore changes, thing by thing.
type Plan struct {
	contents     *Contents
	removeOthers bool
	changes      []*change
	drivers      map[string]string
	prices       *tokenstorev1.Prices
	digest       []byte
}

// NewPlan compares a backup with the store. With removeOthers, what the backup doesn't have is to
// be removed.
func NewPlan(ctx context.Context, store *redisstore.Store, contents *Contents, removeOthers bool) (*Plan, error) {
	now, err := look(ctx, store)
	if err != nil {
		return nil, err
	}
	wanted, drivers, err := contents.entries(now.drivers)
	if err != nil {
		return nil, err
	}
	p := &Plan{contents: contents, removeOthers: removeOthers, drivers: drivers, prices: now.prices}
	for _, kind := range kinds {
		p.compare(kind, ofKind(kind, wanted), ofKind(kind, now.entries))
	}
	p.refuseDamaged(now, store)
	p.keepDrivers(now)
	refuseTaken(p.of(tokenstorev1.BackupKind_BACKUP_KIND_TOKEN), "alias", func(e *entry) string { return e.record.GetToken().GetAlias() })
	refuseTaken(p.of(tokenstorev1.BackupKind_BACKUP_KIND_ROUTE), "match", func(e *entry) string { return e.record.GetRoute().GetMatch() })
	p.digest = p.sum()
	return p, nil
}

// Digest stands for the plan: the same one is only made of the same backup over the same store.
func (p *Plan) Digest() []byte { return p.digest }

// of returns the changes of a kind.
func (p *Plan) of(kind tokenstorev1.BackupKind) []*change {
	var changes []*change
	for _, each := range p.changes {
		if each.entry().kind == kind {
			changes = append(changes, each)
		}
	}
	return changes
}

// compare plans the changes of one kind.
func (p *Plan) compare(kind tokenstorev1.BackupKind, wanted, present []*entry) {
	here := make(map[string]*entry, len(present))
	for _, each := range present {
		here[each.key] = each
	}
	matched := make(map[string]bool, len(wanted))
	for _, each := range wanted {
		c := &change{action: tokenstorev1.RestoreAction_RESTORE_ACTION_ADD, wanted: each, present: here[each.key]}
		if c.present == nil && each.record.GetToken() != nil {
			c.present = here[loginKey(each.record.GetToken(), p.drivers)]
		}
		p.judge(c)
		if c.present != nil {
			matched[c.present.key] = true
		}
		p.changes = append(p.changes, c)
	}
	rest, why := tokenstorev1.RestoreAction_RESTORE_ACTION_KEEP, ""
	switch {
	case !p.removeOthers:
	case len(wanted) > 0 || p.contents.header.GetVersion() >= since[kind]:
		rest = tokenstorev1.RestoreAction_RESTORE_ACTION_REMOVE
	default: // the backup could not have any
		why = "the backup is of a version that had none of these"
	}
	for _, each := range present {
		if !matched[each.key] {
			p.changes = append(p.changes, &change{action: rest, detail: why, present: each})
		}
	}
}

// judge says what becomes of something that the backup has.
func (p *Plan) judge(c *change) {
	if err := p.check(c.wanted.record); err != nil {
		c.refuse(err.Error())
		return
	}
	if c.present == nil {
		c.detail = introduction(c.wanted.record)
		return
	}
	if t := c.wanted.record.GetToken(); t != nil {
		c.wanted.record = &tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Token{Token: adapted(t, c.present)}}
	}
	c.action, c.detail = tokenstorev1.RestoreAction_RESTORE_ACTION_CHANGE, difference(c.present.record, c.wanted.record)
	if c.detail == "" {
		c.action = tokenstorev1.RestoreAction_RESTORE_ACTION_SAME
	}
}

// introduction says of something new what its name does not.
func introduction(record *tokenstorev1.BackupRecord) string {
	switch of := record.GetRecord().(type) {
	case *tokenstorev1.BackupRecord_Setting:
		return shownSetting(of.Setting)
	case *tokenstorev1.BackupRecord_Destination:
		return shownDestination(of.Destination)
	default:
		return ""
	}
}

// check tells what is wrong with a record by itself.
func (p *Plan) check(record *tokenstorev1.BackupRecord) error {
	switch of := record.GetRecord().(type) {
	case *tokenstorev1.BackupRecord_Upstream:
		return token.CheckUpstream(of.Upstream)
	case *tokenstorev1.BackupRecord_Token:
		return checkToken(of.Token, p.drivers)
	case *tokenstorev1.BackupRecord_ClientKey:
		return clientkey.CheckKept(of.ClientKey)
	case *tokenstorev1.BackupRecord_Route:
		return token.CheckRoute(of.Route)
	case *tokenstorev1.BackupRecord_Setting:
		return checkSetting(of.Setting)
	case *tokenstorev1.BackupRecord_Page:
		if of.Page.GetKind() == tokenstorev1.PageKind_PAGE_KIND_DEFAULT {
			return errors.New("it is the built-in page")
		}
		return token.CheckPage(of.Page)
	case *tokenstorev1.BackupRecord_Price:
		return token.CheckPrices([]*tokenstorev1.Price{of.Price})
	case *tokenstorev1.BackupRecord_Destination:
		return checkDestination(of.Destination)
	default:
		return errors.New("it is nothing that a backup has")
	}
}

// refuseDamaged refuses tokens that are here and can't be read: they can't be changed, and another
// one of the same secret can't come.
func (p *Plan) refuseDamaged(now *snapshot, store *redisstore.Store) {
	if len(now.damaged) == 0 {
		return
	}
	for _, c := range p.of(tokenstorev1.BackupKind_BACKUP_KIND_TOKEN) {
		if c.action != tokenstorev1.RestoreAction_RESTORE_ACTION_ADD {
			continue
		}
		upstream, identity, _ := strings.Cut(c.wanted.key, "\n")
		if id := now.damaged[upstream+"\n"+store.Fingerprint(identity)]; id != "" {
			c.refuse(fmt.Sprintf("token %s is the same and damaged: delete it first", id))
		}
	}
}

// keepDrivers refuses another driver for an upstream that has tokens here, and the tokens of that
// upstream.
func (p *Plan) keepDrivers(now *snapshot) {
	used := map[string]bool{}
	for _, each := range ofKind(tokenstorev1.BackupKind_BACKUP_KIND_TOKEN, now.entries) {
		used[each.record.GetToken().GetUpstream()] = true
	}
	refused := map[string]bool{}
	for _, c := range p.of(tokenstorev1.BackupKind_BACKUP_KIND_UPSTREAM) {
		name := c.entry().key
		driver := c.wanted != nil && c.wanted.record.GetUpstream().GetDriver() != now.drivers[name]
		if c.action == tokenstorev1.RestoreAction_RESTORE_ACTION_CHANGE && driver && used[name] {
			c.refuse(fmt.Sprintf("the upstream here has tokens of driver %s: delete them first", now.drivers[name]))
		}
		if c.action == tokenstorev1.RestoreAction_RESTORE_ACTION_REFUSE && (c.present == nil || driver) {
			refused[name] = true
		}
	}
	for _, c := range p.of(tokenstorev1.BackupKind_BACKUP_KIND_TOKEN) {
		if c.wanted != nil && refused[c.wanted.record.GetToken().GetUpstream()] {
			c.refuse("its upstream is not restored")
		}
	}
}

// refuseTaken refuses what is to have something that no two may have, where another one that stays
// as it is has it.
func refuseTaken(changes []*change, what string, own func(*entry) string) {
	for again := true; again; {
		again = false
		holders := map[string]*change{}
		for _, c := range changes {
			if c.present != nil && !c.writes() && !c.removes() && own(c.present) != "" {
				holders[own(c.present)] = c
			}
		}
		for _, c := range changes {
			if !c.writes() {
				continue
			}
			if holder := holders[own(c.wanted)]; holder != nil {
				c.refuse(fmt.Sprintf("the %s %q is here that of %s", what, own(c.wanted), holder.present.name))
				again = true
			}
		}
	}
}

// settled are the records of a change without what goes on by itself: a login has other tokens
// every hour, and the plan is the same as long as it leaves them alone.
func (c *change) settled() (wanted, present *tokenstorev1.BackupRecord) {
	if c.wanted != nil {
		wanted = c.wanted.record
	}
	if c.present != nil {
		present = c.present.record
	}
	now := present.GetToken()
	if now.GetRefreshToken() == "" {
		return wanted, present
	}
	if wanted.GetToken().GetSecret() == now.GetSecret() {
		wanted = withoutSecrets(wanted)
	}
	return wanted, withoutSecrets(present)
}

// sum hashes all that the plan says and where it comes from.
func (p *Plan) sum() []byte {
	hash := sha256.New()
	for _, c := range p.changes {
		of := c.entry()
		wanted, present := c.settled()
		for _, part := range []string{of.kind.String(), c.action.String(), of.key, c.detail, encoded(wanted), encoded(present)} {
			_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part) // a hash takes all
		}
	}
	return hash.Sum(nil)
}

// View is the plan as it is shown.
func (p *Plan) View() *tokenstorev1.RestorePlan {
	shown := &tokenstorev1.RestorePlan{
		MadeAt: p.contents.header.GetMadeAt(), Digest: p.digest,
		UnreadableTokens: p.contents.end.GetUnreadableTokens(), UnreadableUpstreams: p.contents.end.GetUnreadableUpstreams(),
		UnreadableDestinations: p.contents.end.GetUnreadableDestinations(),
	}
	type group struct {
		kind   tokenstorev1.BackupKind
		action tokenstorev1.RestoreAction
	}
	counts := map[group]*tokenstorev1.RestoreCount{}
	for _, c := range p.changes {
		of := c.entry()
		count := counts[group{of.kind, c.action}]
		if count == nil {
			count = &tokenstorev1.RestoreCount{Kind: of.kind, Action: c.action}
			counts[group{of.kind, c.action}] = count
			shown.Counts = append(shown.Counts, count)
		}
		if count.Count++; count.Count <= maxItems && c.action != tokenstorev1.RestoreAction_RESTORE_ACTION_SAME {
			shown.Items = append(shown.Items, &tokenstorev1.RestoreItem{Kind: of.kind, Action: c.action, Name: of.name, Detail: c.detail})
		}
	}
	slices.SortStableFunc(shown.Counts, func(a, b *tokenstorev1.RestoreCount) int {
		return cmp.Or(cmp.Compare(a.GetKind(), b.GetKind()), cmp.Compare(a.GetAction(), b.GetAction()))
	})
	slices.SortStableFunc(shown.Items, func(a, b *tokenstorev1.RestoreItem) int {
		return cmp.Or(cmp.Compare(a.GetKind(), b.GetKind()), cmp.Compare(a.GetAction(), b.GetAction()))
	})
	return proto.CloneOf(shown)
}
