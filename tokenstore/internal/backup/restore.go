package backup

import (
	"context"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
)

// Restore carries the plan out. What the store refuses on the way is refused in the plan then. When
// it returns an error, a part may be done: another plan has the rest.
func (p *Plan) Restore(ctx context.Context, store *redisstore.Store, actor string) error {
	r := &restorer{Plan: p, store: store, actor: actor}
	// Upstreams before the tokens that need them, and removed after those that used them.
	for _, step := range []func(context.Context) error{
		r.putUpstreams, r.removeTokens, r.putTokens, r.putClientKeys, r.changeRoutes, r.changeSettings, r.putPrices,
		r.changeDestinations, r.removeClientKeys, store.Save, r.removeUpstreams,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

type restorer struct {
	*Plan

	store *redisstore.Store
	actor string
}

// chosen returns the changes of a kind that are to be written, or to be removed.
func (r *restorer) chosen(kind tokenstorev1.BackupKind, choose func(*change) bool) []*change {
	var chosen []*change
	for _, each := range r.of(kind) {
		if choose(each) {
			chosen = append(chosen, each)
		}
	}
	return chosen
}

func (r *restorer) putUpstreams(ctx context.Context) error {
	for _, c := range r.chosen(tokenstorev1.BackupKind_BACKUP_KIND_UPSTREAM, (*change).writes) {
		problem, err := r.store.RestoreUpstream(ctx, c.wanted.record.GetUpstream())
		if err != nil {
			return err
		}
		c.failed(problem)
	}
	return nil
}

// failed refuses a change that has a problem.
func (c *change) failed(problem string) {
	if problem != "" {
		c.refuse(problem)
	}
}

// failed refuses those of the changes that have a problem, which are in the same order. An error is
// of them all.
func failed(changes []*change, problems []string, err error) error {
	if err != nil {
		return err
	}
	for i, c := range changes {
		c.failed(problems[i])
	}
	return nil
}

func (r *restorer) removeTokens(ctx context.Context) error {
	removed := r.chosen(tokenstorev1.BackupKind_BACKUP_KIND_TOKEN, (*change).removes)
	if len(removed) == 0 {
		return nil
	}
	tokens := make([]redisstore.Exported, len(removed))
	for i, c := range removed {
		tokens[i] = c.present.exported
	}
	problems, err := r.store.DropTokens(ctx, tokens)
	return failed(removed, problems, err)
}

// putTokens adds and changes tokens. Those that are to have other aliases lose theirs first:
// another one may be to have it.
func (r *restorer) putTokens(ctx context.Context) error {
	written := r.chosen(tokenstorev1.BackupKind_BACKUP_KIND_TOKEN, (*change).writes)
	if len(written) == 0 {
		return nil
	}
	var renamed []redisstore.Exported
	drafts := make([]token.Draft, len(written))
	for i, c := range written {
		drafts[i] = draftOf(c.wanted.record.GetToken())
		if c.present != nil && c.present.exported.Alias != "" && c.present.exported.Alias != drafts[i].Alias {
			renamed = append(renamed, c.present.exported)
		}
	}
	if err := r.store.DropAliases(ctx, renamed); err != nil {
		return err
	}
	results, err := r.store.ImportTokens(ctx, drafts)
	if err != nil {
		return err
	}
	for i, c := range written {
		c.failed(results[i].Problem)
	}
	return nil
}

func (r *restorer) putClientKeys(ctx context.Context) error {
	written := r.chosen(tokenstorev1.BackupKind_BACKUP_KIND_CLIENT_KEY, (*change).writes)
	if len(written) == 0 {
		return nil
	}
	keys := make([]redisstore.KeptClientKey, len(written))
	for i, c := range written {
		keys[i].BackupClientKey = c.wanted.record.GetClientKey()
		if c.present != nil {
			keys[i].Version = c.present.version
		}
	}
	problems, err := r.store.RestoreClientKeys(ctx, keys)
	return failed(written, problems, err)
}

func (r *restorer) removeClientKeys(ctx context.Context) error {
	removed := r.chosen(tokenstorev1.BackupKind_BACKUP_KIND_CLIENT_KEY, (*change).removes)
	keys := make([]redisstore.KeptClientKey, len(removed))
	for i, c := range removed {
		keys[i] = redisstore.KeptClientKey{BackupClientKey: c.present.record.GetClientKey(), Version: c.present.version}
	}
	problems, err := r.store.DropClientKeys(ctx, keys)
	return failed(removed, problems, err)
}

// changeRoutes removes and puts routes. One that is to match something else is removed before:
// another one may be to match that.
func (r *restorer) changeRoutes(ctx context.Context) error {
	for _, c := range r.of(tokenstorev1.BackupKind_BACKUP_KIND_ROUTE) {
		rematched := c.writes() && c.present != nil && c.present.record.GetRoute().GetMatch() != c.wanted.record.GetRoute().GetMatch()
		if !c.removes() && !rematched {
			continue
		}
		if err := r.store.DropRoute(ctx, c.present.key); err != nil {
			return err
		}
	}
	for _, c := range r.chosen(tokenstorev1.BackupKind_BACKUP_KIND_ROUTE, (*change).writes) {
		problem, err := r.store.RestoreRoute(ctx, c.wanted.record.GetRoute())
		if err != nil {
			return err
		}
		c.failed(problem)
	}
	return nil
}

// changeSettings changes settings and pages.
func (r *restorer) changeSettings(ctx context.Context) error {
	update := redisstore.SettingsUpdate{Settings: &tokenstorev1.Settings{}, Actor: r.actor}
	reset := redisstore.SettingsReset{Actor: r.actor}
	changes := append(r.of(tokenstorev1.BackupKind_BACKUP_KIND_SETTING), r.of(tokenstorev1.BackupKind_BACKUP_KIND_PAGE)...)
	for _, c := range changes {
		record := c.entry().record
		switch {
		case c.removes() && record.GetPage() != nil:
			reset.Paths = append(reset.Paths, c.present.key)
		case c.removes():
			reset.Names = append(reset.Names, c.present.key)
		case c.writes() && record.GetPage() != nil:
			update.Pages = append(update.Pages, record.GetPage())
		case c.writes():
			if err := putSetting(update.Settings, record.GetSetting()); err != nil {
				return err
			}
			update.Names = append(update.Names, c.wanted.key)
		}
	}
	if len(update.Names)+len(update.Pages) > 0 {
		if _, err := r.store.UpdateSettings(ctx, update); refuses(err) {
			refuseAll(changes, (*change).writes, err)
		} else if err != nil {
			return err
		}
	}
	if len(reset.Names)+len(reset.Paths) == 0 {
		return nil
	}
	_, err := r.store.ResetSettings(ctx, reset)
	return err
}

// putPrices replaces the list: what stays keeps its place.
func (r *restorer) putPrices(ctx context.Context) error {
	changes := r.of(tokenstorev1.BackupKind_BACKUP_KIND_PRICE)
	var added []*tokenstorev1.Price
	now := map[string]*tokenstorev1.Price{}
	changed := false
	for _, c := range changes {
		changed = changed || c.writes() || c.removes()
		switch {
		case c.present == nil && c.writes():
			added = append(added, c.wanted.record.GetPrice())
		case c.writes():
			now[c.present.key] = c.wanted.record.GetPrice()
		case c.present != nil && !c.removes():
			now[c.present.key] = c.present.record.GetPrice()
		}
	}
	if !changed {
		return nil
	}
	var prices []*tokenstorev1.Price
	for _, each := range r.prices.GetPrices() {
		if stays := now[each.GetMatch()+"\n"+each.GetUpstream()]; stays != nil {
			prices = append(prices, proto.CloneOf(stays))
		}
	}
	_, err := r.store.PutPrices(ctx, append(prices, added...), r.Plan.prices.GetVersion())
	if refuses(err) {
		refuseAll(changes, func(c *change) bool { return c.writes() || c.removes() }, err)
		return nil
	}
	return err
}

// changeDestinations removes and puts destinations of notifications: removed first, since there is
// room for few.
func (r *restorer) changeDestinations(ctx context.Context) error {
	for _, c := range r.chosen(tokenstorev1.BackupKind_BACKUP_KIND_DESTINATION, (*change).removes) {
		problem, err := r.store.DropDestination(ctx, c.present.key, c.present.version)
		if err != nil {
			return err
		}
		c.failed(problem)
	}
	for _, c := range r.chosen(tokenstorev1.BackupKind_BACKUP_KIND_DESTINATION, (*change).writes) {
		version := uint64(0)
		if c.present != nil {
			version = c.present.version
		}
		problem, err := r.store.RestoreDestination(ctx, destinationOf(c.wanted.record.GetDestination()), version)
		if err != nil {
			return err
		}
		c.failed(problem)
	}
	return nil
}

func (r *restorer) removeUpstreams(ctx context.Context) error {
	for _, c := range r.chosen(tokenstorev1.BackupKind_BACKUP_KIND_UPSTREAM, (*change).removes) {
		err := r.store.DeleteUpstream(ctx, c.present.key, 0)
		switch {
		case rpcerr.Is(err, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND): // it is what was wanted
		case refuses(err):
			c.refuse(rpcerr.Parse(err).Message)
		case err != nil:
			return err
		}
	}
	return nil
}

// refuses tells whether an error is a refusal, and no failure of the store's.
func refuses(err error) bool {
	if err == nil {
		return false
	}
	switch rpcerr.Parse(err).Reason {
	case tokenstorev1.Reason_REASON_INVALID_ARGUMENT, tokenstorev1.Reason_REASON_VERSION_CONFLICT, tokenstorev1.Reason_REASON_UPSTREAM_IN_USE:
		return true
	default:
		return false
	}
}

func refuseAll(changes []*change, choose func(*change) bool, err error) {
	for _, c := range changes {
		if choose(c) {
			c.refuse(rpcerr.Parse(err).Message)
		}
	}
}
