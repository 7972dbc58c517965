package backup_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/backup"
	"carousel.internal/tokenstore/internal/clientkey"
	"carousel.internal/tokenstore/internal/notify"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// sameRecords compares backups but for when they were made.
func sameRecords(want, got []*tokenstorev1.BackupRecord) string {
	return cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&tokenstorev1.BackupHeader{}, "made_at"))
}

// A backup of one store makes an empty one the same, which has another seal key; a second restore
// changes nothing.
func TestARestoredStoreIsTheSame(t *testing.T) {
	t.Parallel()
	store, present, former := filled(t)
	records := written(t, store)
	if len(records) != 21 {
		t.Errorf("%d records, want 21: header, end, 2 upstreams, 5 tokens, 2 keys, a route, 4 settings, a page, 2 prices, 2 destinations", len(records))
	}
	other := newStore(t, 'b')
	plan := restored(t, other, records, false)
	if added := counted(plan, tokenstorev1.RestoreAction_RESTORE_ACTION_ADD); added != 19 || len(plan.GetItems()) != 19 {
		t.Errorf("%d added, want 19: %s", added, strings.Join(lines(plan), "\n"))
	}
	if diff := sameRecords(records, written(t, other)); diff != "" {
		t.Errorf("the restored store is different (-want +got):\n%s", diff)
	}
	for name, value := range map[string]secret.Value{"present": present, "former": former} {
		hash := clientkey.Hash(value)
		key, until, err := other.ResolveClientKey(t.Context(), value.Reveal()[len("sk-carousel-"):][:16], hash[:])
		if err != nil || key.GetName() != "Anna's laptop" || until.IsZero() != (name == "present") {
			t.Errorf("the %s secret: %v, until %v, %v", name, key, until, err)
		}
	}
	again := restored(t, other, records, true)
	if same := counted(again, tokenstorev1.RestoreAction_RESTORE_ACTION_SAME); same != 19 || len(again.GetItems()) != 0 {
		t.Errorf("the second restore has %d the same, want 19, and changes %v", same, lines(again))
	}
	if diff := sameRecords(records, written(t, other)); diff != "" {
		t.Errorf("the second restore changed something (-want +got):\n%s", diff)
	}
}

// changed is the filled store after someone has gone on with it.
func changed(t *testing.T, store *redisstore.Store) {
	t.Helper()
	ctx := t.Context()
	exported := must[[]redisstore.Exported](t)(store.ExportTokens(ctx, ""))
	// Two tokens change their aliases with each other.
	work, first := exported[0], exported[1]
	edit := func(id, alias string) {
		must[*tokenstorev1.Token](t)(store.UpdateToken(ctx, id, token.Fields{Alias: alias}, []string{token.Alias}, 0))
	}
	edit(work.ID, "")
	edit(first.ID, "work")
	edit(work.ID, "first")
	must[*tokenstorev1.Token](t)(store.CreateToken(ctx, draft("openai", "sk-new-one")))
	if err := store.DeleteToken(ctx, exported[4].ID, 0); err != nil {
		t.Fatal(err)
	}
	keys := must[[]redisstore.KeptClientKey](t)(store.KeptClientKeys(ctx))
	if _, _, err := store.RotateClientKey(ctx, keys[0].GetKey().GetId(), 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := store.DeleteClientKey(ctx, keys[1].GetKey().GetId(), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.CreateClientKey(ctx, &tokenstorev1.ClientKey{Name: "new"}); err != nil {
		t.Fatal(err)
	}
	must[*tokenstorev1.Upstream](t)(store.PutUpstream(ctx, &tokenstorev1.Upstream{Name: "openai", Driver: "openai", BaseUrl: "https://elsewhere.example/v1"}, 0))
	must[*tokenstorev1.Upstream](t)(store.PutUpstream(ctx, &tokenstorev1.Upstream{Name: "third", Driver: "openai", BaseUrl: "https://third.example"}, 0))
	must[*tokenstorev1.Route](t)(store.PutRoute(ctx, route("fast", "swift"), 0))
	must[*tokenstorev1.Route](t)(store.PutRoute(ctx, route("slow", "slow"), 0))
	must[*tokenstorev1.GetSettingsResponse](t)(store.UpdateSettings(ctx, redisstore.SettingsUpdate{
		Settings: &tokenstorev1.Settings{MaxAttempts: 2, QueueWaitMs: 5}, Names: []string{"max_attempts", "queue_wait_ms"},
		Pages: []*tokenstorev1.Page{{Path: "/", Kind: tokenstorev1.PageKind_PAGE_KIND_TEXT, Content: "root"}},
	}))
	must[*tokenstorev1.Prices](t)(store.PutPrices(ctx, []*tokenstorev1.Price{
		{Match: "m9", Input: proto.Uint64(9)}, {Match: "m1", Input: proto.Uint64(5)},
	}, 0))
	hook, mail := destinations(t, store)
	url := "https://hooks.example/T2/quiet-hook"
	renamed := proto.CloneOf(hook.Destination)
	renamed.Name = "renamed"
	must[*tokenstorev1.Destination](t)(store.PutDestination(ctx, renamed, &url, nil, 0))
	if err := store.DeleteDestination(ctx, mail.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	must[*tokenstorev1.Destination](t)(store.PutDestination(ctx, &tokenstorev1.Destination{Name: "new"}, &url, nil, 0))
}

// destinations are the two of a filled store.
func destinations(t *testing.T, store *redisstore.Store) (hook, mail notify.Destination) {
	t.Helper()
	all := must[[]notify.Destination](t)(store.NotifyDestinations(t.Context()))
	if len(all) != 2 {
		t.Fatalf("%d destinations, want 2", len(all))
	}
	return all[0], all[1]
}

// Over a store that has gone on, a restore shows what it changes, keeps what the backup doesn't
// have, or, where that is asked for, removes it.
func TestARestoreOverWhatIsThere(t *testing.T) {
	t.Parallel()
	for name, removeOthers := range map[string]bool{"keeps the rest": false, "removes the rest": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, present, _ := filled(t)
			records := written(t, store)
			hook, mail := destinations(t, store)
			changed(t, store)
			plan := planned(t, store, records, removeOthers).View()
			rest := "keep"
			if removeOthers {
				rest = "remove"
			}
			id := present.Reveal()[len("sk-carousel-"):][:16]
			other := records[9].GetClientKey().GetKey().GetId()
			fresh := lines(plan)[7][strings.LastIndex(lines(plan)[7], "(")+1:]
			want := []string{
				"change upstream openai: base_url: https://elsewhere.example/v1 → https://openai.example/v1, models",
				rest + " upstream third",
				"add token openai: " + secret.New("sk-2").Masked(),
				"change token cursor: work: alias: first → work",
				"change token openai: first: alias: work → first",
				rest + " token openai: " + secret.New("sk-new-one").Masked(),
				"change client_key Anna's laptop (" + id + "): secret, former secret",
				rest + " client_key new (" + fresh,
				"change route fast: match: swift → quick",
				rest + " route slow",
				"change setting max_attempts: 2 → 7",
				rest + " setting queue_wait_ms",
				rest + " page /",
				"add price m1 (openai)",
				"change price m1: input",
				rest + " price m9",
				"add destination mail (" + mail.GetId() + "): mail, anna@mail.example, disabled",
				"change destination hook (" + hook.GetId() + "): name: renamed → hook, url",
				rest + " destination new (" + newest(t, store).GetId() + ")",
			}
			want = slices.Insert(want, 6, "add client_key other ("+other+")")
			fresh = lines(plan)[8][strings.LastIndex(lines(plan)[8], "(")+1:]
			want[8] = rest + " client_key new (" + fresh
			if diff := cmp.Diff(want, lines(plan)); diff != "" {
				t.Fatalf("the plan (-want +got):\n%s", diff)
			}
			for _, line := range lines(plan) {
				for _, hidden := range []string{"hush", "quiet", "T1", "T2", "sk-2\n", "refresh-1"} {
					if strings.Contains(line+"\n", hidden) && !strings.Contains(line, "•") {
						t.Errorf("the plan shows a secret: %s", line)
					}
				}
			}
			after := restored(t, store, records, removeOthers)
			if diff := cmp.Diff(lines(plan), lines(after)); diff != "" {
				t.Errorf("what was done is not what was planned (-want +got):\n%s", diff)
			}
			left := planned(t, store, records, removeOthers).View()
			if writes := counted(left, tokenstorev1.RestoreAction_RESTORE_ACTION_ADD) + counted(left, tokenstorev1.RestoreAction_RESTORE_ACTION_CHANGE); writes != 0 {
				t.Errorf("after the restore it would still change %v", lines(left))
			}
			if kept := counted(left, tokenstorev1.RestoreAction_RESTORE_ACTION_KEEP); removeOthers && len(left.GetItems()) != 0 || !removeOthers && kept != 8 {
				t.Errorf("after the restore there is left %v", lines(left))
			}
			hash := clientkey.Hash(present)
			if _, _, err := store.ResolveClientKey(t.Context(), id, hash[:]); err != nil {
				t.Errorf("the secret of the backup: %v", err)
			}
		})
	}
}

// A backup from before there were destinations in backups says nothing about them: those that are
// here stay, whatever becomes of the rest.
func TestARestoreKeepsWhatItsBackupCouldNotHave(t *testing.T) {
	t.Parallel()
	store, _, _ := filled(t)
	records := written(t, store)
	hook, mail := destinations(t, store)
	old := []*tokenstorev1.BackupRecord{}
	for _, each := range records {
		if each.GetDestination() == nil && each.GetPage() == nil {
			old = append(old, proto.CloneOf(each))
		}
	}
	old[0].GetHeader().Version = 1
	old[len(old)-1].GetEnd().Records = uint64(len(old) - 1)
	why := ": the backup is of a version that had none of these"
	want := []string{
		"remove page /about",
		"keep destination hook (" + hook.GetId() + ")" + why,
		"keep destination mail (" + mail.GetId() + ")" + why,
	}
	byName := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(want, lines(restored(t, store, old, true)), byName); diff != "" {
		t.Errorf("the plan (-want +got):\n%s", diff)
	}
	destinations(t, store)
	// One of now that has none removes them, and so does one of then that has others.
	old[0].GetHeader().Version = backup.Version
	if removed := counted(planned(t, store, old, true).View(), tokenstorev1.RestoreAction_RESTORE_ACTION_REMOVE); removed != 2 {
		t.Errorf("%d are removed by a backup of now, want 2", removed)
	}
	partly := slices.Insert(slices.Clone(old), len(old)-1, records[len(records)-2])
	partly[0] = proto.CloneOf(old[0])
	partly[0].GetHeader().Version = 1
	partly[len(partly)-1] = proto.CloneOf(old[len(old)-1])
	partly[len(partly)-1].GetEnd().Records++
	if removed := counted(planned(t, store, partly, true).View(), tokenstorev1.RestoreAction_RESTORE_ACTION_REMOVE); removed != 1 {
		t.Errorf("%d are removed by a backup that has another, want 1", removed)
	}
}

// newest is the destination that is named so.
func newest(t *testing.T, store *redisstore.Store) notify.Destination {
	t.Helper()
	all := must[[]notify.Destination](t)(store.NotifyDestinations(t.Context()))
	return all[slices.IndexFunc(all, func(each notify.Destination) bool { return each.GetName() == "new" })]
}

// A destination comes back whole, with its secrets, which no plan shows; one that is no destination
// is refused, and so is one more than there may be.
func TestDestinationsComeBackWithTheirSecrets(t *testing.T) {
	t.Parallel()
	store, _, _ := filled(t)
	records := written(t, store)
	other := newStore(t, 'b')
	plan := restored(t, other, records, false)
	hook, mail := destinations(t, other)
	want := []string{
		"add destination hook (" + hook.GetId() + "): webhook, https://hooks.example/…: is told of alerts from then on",
		"add destination mail (" + mail.GetId() + "): mail, anna@mail.example, disabled",
	}
	if diff := cmp.Diff(want, lines(plan)[len(lines(plan))-2:]); diff != "" {
		t.Errorf("the plan (-want +got):\n%s", diff)
	}
	if hook.URL.Reveal() != "https://hooks.example/T1/hush-hook" || hook.Secret.Reveal() != "hush-bearer" || mail.Secret.Reveal() != "hush-mail" ||
		hook.GetMaskedUrl() != "https://hooks.example/…" || !mail.GetHasSecret() || mail.GetMail().GetSecurity() != "starttls" {
		t.Errorf("restored %v and %v", hook, mail)
	}

	full := newStore(t, 'c')
	url := "https://hooks.example/another"
	for range notify.MaxDestinations - 1 {
		must[*tokenstorev1.Destination](t)(full.PutDestination(t.Context(), &tokenstorev1.Destination{Name: "other"}, &url, nil, 0))
	}
	odd := records[len(records)-2].GetDestination()
	odd.Destination.Id = "c1:{pool}"
	refused := func(plan *tokenstorev1.RestorePlan) []string {
		return slices.DeleteFunc(lines(plan), func(line string) bool { return !strings.HasPrefix(line, "refuse destination") })
	}
	wrong := "refuse destination mail (c1:{pool}): its id is none that a destination has"
	if got := refused(restored(t, full, records, false)); !slices.Equal(got, []string{wrong}) {
		t.Errorf("with room for one it refuses %q", got)
	}
	odd.Destination.Id = mail.GetId()
	got := refused(restored(t, full, records, false))
	if len(got) != 1 || !strings.Contains(got[0], "there are 20 destinations, which is the most that there may be") {
		t.Errorf("without room it refuses %q", got)
	}
}

// A plan's digest is of what the backup has and what the store has.
func TestTheDigestStandsForThePlan(t *testing.T) {
	t.Parallel()
	store, _, _ := filled(t)
	records := written(t, store)
	digest := planned(t, store, records, false).Digest()
	if again := planned(t, store, records, false).Digest(); !slices.Equal(digest, again) {
		t.Error("the same plan has another digest")
	}
	fewer := slices.DeleteFunc(slices.Clone(records), func(r *tokenstorev1.BackupRecord) bool { return r.GetPage() != nil })
	fewer[len(fewer)-1] = proto.CloneOf(fewer[len(fewer)-1])
	fewer[len(fewer)-1].GetEnd().Records--
	if other := planned(t, store, fewer, false).Digest(); slices.Equal(digest, other) {
		t.Error("another backup has the same digest")
	}
	must[*tokenstorev1.GetSettingsResponse](t)(store.UpdateSettings(t.Context(), redisstore.SettingsUpdate{
		Settings: &tokenstorev1.Settings{MaxAttempts: 2}, Names: []string{"max_attempts"},
	}))
	if other := planned(t, store, records, false).Digest(); slices.Equal(digest, other) {
		t.Error("over another store the digest is the same")
	}
}

// A login that is refreshed between the plan and the restore makes no other plan.
func TestTheDigestOutlivesARefresh(t *testing.T) {
	t.Parallel()
	store, _, _ := filled(t)
	records := written(t, store)
	digest := planned(t, store, records, false).Digest()
	later := draft("cursor", jwt("anna", time.Now().Add(2*time.Hour)))
	later.Refresh, later.Alias, later.Said = secret.New("refresh-2"), "work", []string{token.Alias}
	must[[]redisstore.Imported](t)(store.ImportTokens(t.Context(), []token.Draft{later}))
	if again := planned(t, store, records, false).Digest(); !slices.Equal(digest, again) {
		t.Error("after a refresh the plan has another digest")
	}
}

// What a login has now is newer than what it had when the backup was made.
func TestARestoreBringsBackNoUsedRefreshToken(t *testing.T) {
	t.Parallel()
	store, _, _ := filled(t)
	records := written(t, store)
	later := draft("cursor", jwt("anna", time.Now().Add(2*time.Hour)))
	later.Refresh, later.Alias = secret.New("refresh-2"), "work"
	must[[]redisstore.Imported](t)(store.ImportTokens(t.Context(), []token.Draft{later}))
	now := written(t, store)
	if plan := restored(t, store, records, false); len(plan.GetItems()) != 0 {
		t.Errorf("it changes %v", lines(plan))
	}
	if diff := sameRecords(now, written(t, store)); diff != "" {
		t.Errorf("the login has changed (-want +got):\n%s", diff)
	}
	// The other way round the backup has the newer one.
	other := newStore(t, 'b')
	restored(t, other, records, false)
	plan := restored(t, other, now, false)
	if want := []string{"change token cursor: work: secret, refresh_token"}; !slices.Equal(lines(plan), want) {
		t.Errorf("it changes %v, want %v", lines(plan), want)
	}
	if diff := sameRecords(now, written(t, other)); diff != "" {
		t.Errorf("the login is not the newer one (-want +got):\n%s", diff)
	}
}

// What can't be restored is said, and all else is restored.
func TestWhatCannotBeRestoredIsRefused(t *testing.T) {
	t.Parallel()
	store, _, _ := filled(t)
	records := written(t, store)
	other := newStore(t, 'b')
	ctx := t.Context()
	must[*tokenstorev1.Upstream](t)(other.PutUpstream(ctx, &tokenstorev1.Upstream{Name: "openai", Driver: "anthropic", BaseUrl: "https://a.example"}, 0))
	must[*tokenstorev1.Upstream](t)(other.PutUpstream(ctx, &tokenstorev1.Upstream{Name: "mine", Driver: "openai", BaseUrl: "https://m.example"}, 0))
	taken := draft("mine", "sk-mine")
	taken.Alias = "work"
	must[*tokenstorev1.Token](t)(other.CreateToken(ctx, draft("openai", "sk-ant")))
	must[*tokenstorev1.Token](t)(other.CreateToken(ctx, taken))
	must[*tokenstorev1.Route](t)(other.PutRoute(ctx, route("mine", "quick"), 0))
	records[len(records)-4].GetPrice().Input = proto.Uint64(1 << 60)
	refusals := slices.DeleteFunc(lines(planned(t, other, records, false).View()), func(line string) bool { return !strings.HasPrefix(line, "refuse") })
	want := []string{
		"refuse upstream openai: the upstream here has tokens of driver anthropic: delete them first",
		`refuse token cursor: work: the alias "work" is here that of mine: work`,
		"refuse token openai: first: its upstream is not restored",
		"refuse token openai: " + secret.New("sk-2").Masked() + ": its upstream is not restored",
		`refuse route fast: the match "quick" is here that of mine`,
		"refuse price m1 (openai): prices[0].input_per_million: at most 1000000 US dollars",
	}
	if diff := cmp.Diff(want, refusals); diff != "" {
		t.Fatalf("refused (-want +got):\n%s", diff)
	}
	plan := restored(t, other, records, false)
	if n := counted(plan, tokenstorev1.RestoreAction_RESTORE_ACTION_REFUSE); n != len(want) {
		t.Errorf("%d refused on the way, want %d: %v", n, len(want), lines(plan))
	}
	if exported := must[[]redisstore.Exported](t)(other.ExportTokens(ctx, "")); len(exported) != 4 {
		t.Errorf("%d tokens, want 4: two of before, the session and the user's key", len(exported))
	}
}

// However long what is wrong is, why it is refused is short: a plan is one message.
func TestAReasonIsShort(t *testing.T) {
	t.Parallel()
	store := newStore(t, 'a')
	records := written(t, store)
	odd := &tokenstorev1.BackupSetting{Name: strings.Repeat("x", 1<<20)}
	records = slices.Insert(records, len(records)-1, &tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Setting{Setting: odd}})
	records[len(records)-1].GetEnd().Records++
	view := planned(t, store, records, false).View()
	if n := proto.Size(view); counted(view, tokenstorev1.RestoreAction_RESTORE_ACTION_REFUSE) != 1 || n > 4<<10 {
		t.Errorf("%d bytes, %v", n, view.GetCounts())
	}
}

// A token and an upstream that can't be read are not in a backup, which says so; and a damaged
// token here is in nobody's way but its own.
func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	store, _, _ := filled(t)
	records := written(t, store)
	client := testredis.Start(t)
	other := newStoreOn(t, client, 'b')
	restored(t, other, records, false)
	damaged := must[[]redisstore.Exported](t)(other.ExportTokens(t.Context(), "openai"))[0]
	if err := client.HSet(t.Context(), "c1:{pool:openai}:token:"+damaged.ID, "rec", `{"sealed":"?"}`).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.HSet(t.Context(), "c1:{pool}:upstreams", "cursor", `{"name":"cursor"}`).Err(); err != nil {
		t.Fatal(err)
	}
	_, mail := destinations(t, other)
	if err := client.HSet(t.Context(), "c1:{config}:destinations", mail.GetId(), "?").Err(); err != nil {
		t.Fatal(err)
	}
	fewer := written(t, other)
	end := fewer[len(fewer)-1].GetEnd()
	if !slices.Equal(end.GetUnreadableTokens(), []string{damaged.ID}) || !slices.Equal(end.GetUnreadableUpstreams(), []string{"cursor"}) ||
		!slices.Equal(end.GetUnreadableDestinations(), []string{mail.GetId()}) || len(fewer) != len(records)-3 {
		t.Errorf("%d records, want %d; it says %v", len(fewer), len(records)-3, end)
	}
	plan := restored(t, other, records, false)
	want := []string{
		"add upstream cursor", "refuse token openai: first: token " + damaged.ID + " is the same and damaged: delete it first",
		"add destination mail (" + mail.GetId() + "): mail, anna@mail.example, disabled",
	}
	if diff := cmp.Diff(want, lines(plan)); diff != "" {
		t.Fatalf("the restore (-want +got):\n%s", diff)
	}
	if err := other.DeleteToken(t.Context(), damaged.ID, 0); err != nil {
		t.Fatal(err)
	}
	restored(t, other, records, false)
	if left := planned(t, other, records, true).View(); len(left.GetItems()) != 0 {
		t.Errorf("there is left %v", lines(left))
	}
}

// A stream that is not a whole backup of a version that is known is refused, with a reason.
func TestWhatIsNoBackupIsRefused(t *testing.T) {
	t.Parallel()
	store := newStore(t, 'a')
	records := func(version uint32, inner ...*tokenstorev1.BackupRecord) []*tokenstorev1.BackupRecord {
		all := []*tokenstorev1.BackupRecord{{Record: &tokenstorev1.BackupRecord_Header{Header: &tokenstorev1.BackupHeader{Version: version}}}}
		return append(all, inner...)
	}
	end := func(n uint64) *tokenstorev1.BackupRecord {
		return &tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_End{End: &tokenstorev1.BackupEnd{Records: n}}}
	}
	page := &tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Page{Page: &tokenstorev1.Page{Path: "/"}}}
	unknown := &tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Page{Page: &tokenstorev1.Page{Path: "/"}}}
	unknown.GetPage().ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1}) // field 127 is 1
	for name, c := range map[string]struct {
		records []*tokenstorev1.BackupRecord
		want    string
	}{
		"empty":                 {nil, "its end is missing"},
		"without a header":      {[]*tokenstorev1.BackupRecord{page, end(1)}, "does not begin with one header"},
		"with two headers":      {append(records(1), records(1)...), "does not begin with one header"},
		"without a version":     {records(0, end(1)), "does not say of which version"},
		"of a newer version":    {records(backup.Version+1, end(1)), "it is of version 3, and this tokenstore reads versions up to 2"},
		"with a new record":     {records(1, &tokenstorev1.BackupRecord{}, end(2)), "does not know"},
		"with a new field":      {records(1, unknown, end(2)), "does not know"},
		"cut off":               {records(1, page), "its end is missing"},
		"with a record missing": {records(1, end(2)), "its end is missing"},
		"going on":              {records(1, end(1), page), "goes on behind its end"},
		"with something twice":  {records(1, page, page, end(3)), "/ is in it twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := &backup.Contents{}
			err := all.Add(c.records)
			if err == nil {
				_, err = backup.NewPlan(t.Context(), store, all, true)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}
