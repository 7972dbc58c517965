package backupform_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/backupform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Every kind and action of the contract has a name, and no two have the same.
func TestEverythingHasAName(t *testing.T) {
	t.Parallel()
	plan := &tokenstorev1.RestorePlan{MadeAt: timestamppb.Now()}
	for kind := range tokenstorev1.BackupKind_name {
		for action := range tokenstorev1.RestoreAction_name {
			if kind != 0 && action != 0 {
				plan.Counts = append(plan.Counts, &tokenstorev1.RestoreCount{Kind: tokenstorev1.BackupKind(kind), Action: tokenstorev1.RestoreAction(action), Count: 1})
			}
		}
	}
	seen := map[backupform.Count]bool{}
	for _, each := range backupform.PlanOf(plan, false, false).Counts {
		if each.Kind == "" || each.Action == "" || seen[each] {
			t.Errorf("%+v has no name of its own", each)
		}
		seen[each] = true
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	plan := backupform.Plan{Counts: []backupform.Count{{Kind: "token", Action: backupform.Keep, Count: 2}, {Kind: "key", Action: backupform.Keep, Count: 3}, {Kind: "key", Action: backupform.Refuse, Count: 1}}}
	if plan.Total(backupform.Keep) != 5 || !plan.ChangesNothing() {
		t.Errorf("%d kept, changes nothing: %v", plan.Total(backupform.Keep), plan.ChangesNothing())
	}
	for _, action := range []string{backupform.Add, backupform.Change, backupform.Remove} {
		changing := backupform.Plan{Counts: append(plan.Counts, backupform.Count{Kind: "page", Action: action, Count: 1})}
		if changing.ChangesNothing() {
			t.Errorf("%s changes nothing", action)
		}
	}
}

func TestPassphrasesAndNames(t *testing.T) {
	t.Parallel()
	for passphrase, good := range map[string]bool{
		"elf letters": false, "zwölf Zeichen": true, "twelve chars": true, strings.Repeat("x", 512): true, strings.Repeat("x", 513): false, "not UTF-8 \xff at all": false,
	} {
		if err := backupform.CheckPassphrase(passphrase); (err == nil) != good {
			t.Errorf("%q: %v", passphrase, err)
		}
	}
	at := time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600))
	if name := backupform.FileName(at); name != "carousel-20260301T120000Z.backup.age" {
		t.Errorf("a file's name: %s", name)
	}
}
