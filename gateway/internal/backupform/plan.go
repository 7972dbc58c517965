// Package backupform is the form in which backups and restores are spoken of, for the admin API,
// the pages and the command line: a restore's plan, the rules of passphrases, a file's name. It
// does no I/O.
package backupform

import (
	"encoding/hex"
	"time"

	"carousel.internal/gateway/internal/nullable"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Plan is what a restore changes, or has changed.
type Plan struct {
	// MadeAt is when the backup was made.
	MadeAt time.Time `json:"made_at"`
	// Applied tells whether it has been carried out.
	Applied bool `json:"applied"`
	// RemoveOthers: what the backup doesn't have is removed; else it is kept.
	RemoveOthers bool `json:"remove_others"`
	// Digest stands for the plan: whoever has it carried out says which one he has seen.
	Digest string `json:"digest"`
	// Counts are those that are not 0.
	Counts []Count `json:"counts"`
	// Items are all but what stays as it is, of each kind and action at most 200.
	Items []Item `json:"items"`
	// Unreadable tells what the backup lacks, because it could not be read when it was made.
	Unreadable Unreadable `json:"unreadable"`
}

// Count is how many things of a kind something is done with.
type Count struct {
	Kind   string `json:"kind"`
	Action string `json:"action"`
	Count  uint32 `json:"count"`
}

// Item is one thing. Detail, which may be empty, tells what changes or why it is refused.
type Item struct {
	Kind   string `json:"kind"`
	Action string `json:"action"`
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

// Unreadable has ids of tokens, names of upstreams, and ids of destinations of notifications.
type Unreadable struct {
	Tokens       []string `json:"tokens"`
	Upstreams    []string `json:"upstreams"`
	Destinations []string `json:"destinations"`
}

// Kinds of what is in a backup.
var kinds = map[tokenstorev1.BackupKind]string{
	tokenstorev1.BackupKind_BACKUP_KIND_UPSTREAM:    "upstream",
	tokenstorev1.BackupKind_BACKUP_KIND_TOKEN:       "token",
	tokenstorev1.BackupKind_BACKUP_KIND_CLIENT_KEY:  "key",
	tokenstorev1.BackupKind_BACKUP_KIND_ROUTE:       "route",
	tokenstorev1.BackupKind_BACKUP_KIND_SETTING:     "setting",
	tokenstorev1.BackupKind_BACKUP_KIND_PAGE:        "page",
	tokenstorev1.BackupKind_BACKUP_KIND_PRICE:       "price",
	tokenstorev1.BackupKind_BACKUP_KIND_DESTINATION: "destination",
}

// The actions of a restore.
const (
	Add    = "add"
	Change = "change"
	Same   = "same"
	Keep   = "keep"
	Remove = "remove"
	Refuse = "refuse"
)

var actions = map[tokenstorev1.RestoreAction]string{
	tokenstorev1.RestoreAction_RESTORE_ACTION_ADD:    Add,
	tokenstorev1.RestoreAction_RESTORE_ACTION_CHANGE: Change,
	tokenstorev1.RestoreAction_RESTORE_ACTION_SAME:   Same,
	tokenstorev1.RestoreAction_RESTORE_ACTION_KEEP:   Keep,
	tokenstorev1.RestoreAction_RESTORE_ACTION_REMOVE: Remove,
	tokenstorev1.RestoreAction_RESTORE_ACTION_REFUSE: Refuse,
}

// PlanOf is the plan as the tokenstore has it.
func PlanOf(plan *tokenstorev1.RestorePlan, applied, removeOthers bool) Plan {
	form := Plan{
		MadeAt: plan.GetMadeAt().AsTime().UTC(), Applied: applied, RemoveOthers: removeOthers, Digest: hex.EncodeToString(plan.GetDigest()),
		Counts: make([]Count, 0, len(plan.GetCounts())), Items: make([]Item, 0, len(plan.GetItems())),
		Unreadable: Unreadable{
			Tokens: nullable.List(plan.GetUnreadableTokens()), Upstreams: nullable.List(plan.GetUnreadableUpstreams()),
			Destinations: nullable.List(plan.GetUnreadableDestinations()),
		},
	}
	for _, each := range plan.GetCounts() {
		form.Counts = append(form.Counts, Count{kinds[each.GetKind()], actions[each.GetAction()], each.GetCount()})
	}
	for _, each := range plan.GetItems() {
		form.Items = append(form.Items, Item{kinds[each.GetKind()], actions[each.GetAction()], each.GetName(), each.GetDetail()})
	}
	return form
}

// Total is how many things something is done with, of all kinds.
func (p Plan) Total(action string) uint32 {
	total := uint32(0)
	for _, each := range p.Counts {
		if each.Action == action {
			total += each.Count
		}
	}
	return total
}

// ChangesNothing tells whether nothing is added, changed or removed.
func (p Plan) ChangesNothing() bool { return p.Total(Add)+p.Total(Change)+p.Total(Remove) == 0 }

// Summary is the plan in pairs of a name and a value, as the audit log has them.
func (p Plan) Summary() []any {
	summary := []any{"made_at", p.MadeAt.Format(time.RFC3339)}
	for _, action := range []string{Add, Change, Remove, Keep, Refuse} {
		if total := p.Total(action); total > 0 {
			summary = append(summary, action, total)
		}
	}
	return summary
}
