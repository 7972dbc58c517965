package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var changeSettingsScript = newScript("change_settings")

// Settings returns the defaults under what admins have stored.
func (s *Store) Settings(ctx context.Context) (*tokenstorev1.Settings, error) {
	values, err := s.client.HGetAll(ctx, settingsKey()).Result()
	if err != nil {
		return nil, storeError("read the settings", err)
	}
	return s.overlay(values), nil
}

// overlay puts stored values over the defaults. One that is not of its setting's
// kind, as another version of the program may have left it, counts as unset.
func (s *Store) overlay(values fields) *tokenstorev1.Settings {
	settings := proto.CloneOf(s.defaults)
	settings.Version = max(values.count("ver"), 1)
	settings.UpdatedAt = timestamp(values.time("updated"))
	message := settings.ProtoReflect()
	for name, text := range values {
		if len(name) < 2 || name[:2] != "s:" {
			continue
		}
		field, err := token.SettingField(name[2:])
		if err != nil {
			continue
		}
		if value, err := parseSetting(field, text); err == nil {
			message.Set(field, value)
		}
	}
	return settings
}

// formatSetting writes a setting's value as text.
func formatSetting(settings *tokenstorev1.Settings, field protoreflect.FieldDescriptor) string {
	return settings.ProtoReflect().Get(field).String()
}

func parseSetting(field protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	switch field.Kind() {
	case protoreflect.BoolKind:
		value, err := strconv.ParseBool(text)
		return protoreflect.ValueOfBool(value), err
	case protoreflect.Uint32Kind:
		value, err := strconv.ParseUint(text, 10, 32)
		return protoreflect.ValueOfUint32(uint32(value)), err
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text), nil
	default:
		return protoreflect.Value{}, fmt.Errorf("setting %s has a kind that can't be stored", field.Name())
	}
}

// SettingsUpdate is what is to be changed in one step.
type SettingsUpdate struct {
	// Settings has the new values of those that Names names.
	Settings *tokenstorev1.Settings
	Names    []string
	Pages    []*tokenstorev1.Page
	// Expected is the version that settings and pages must have; 0: any.
	Expected uint64
	Actor    string
}

// UpdateSettings stores the named settings and the pages, all or none.
func (s *Store) UpdateSettings(ctx context.Context, update SettingsUpdate) (*tokenstorev1.GetSettingsResponse, error) {
	chosen, err := settingFields(update.Names, len(update.Pages))
	if err != nil {
		return nil, err
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	for _, field := range chosen {
		settings.ProtoReflect().Set(field, update.Settings.ProtoReflect().Get(field))
	}
	token.NormalizeSettings(settings)
	if err := errors.Join(token.CheckSettings(settings), token.CheckPages(update.Pages), token.CheckActor(update.Actor)); err != nil {
		return nil, invalid(err)
	}
	var changes settingsChange
	for _, field := range chosen {
		changes.set("setting", string(field.Name()), formatSetting(settings, field))
	}
	for _, page := range update.Pages {
		if page.GetKind() == tokenstorev1.PageKind_PAGE_KIND_DEFAULT {
			changes.reset("page", page.GetPath())
		} else {
			changes.set("page", page.GetPath(), formatPage(page))
		}
	}
	return s.changeSettings(ctx, changes, update.Expected, update.Actor)
}

// SettingsReset is what is to be taken back to its default in one step.
type SettingsReset struct {
	Names []string
	Paths []string
	// Expected is the version that settings and pages must have; 0: any.
	Expected uint64
	Actor    string
}

// ResetSettings takes the named settings back to what the environment says, and
// the pages to the built-in ones, all or none.
func (s *Store) ResetSettings(ctx context.Context, reset SettingsReset) (*tokenstorev1.GetSettingsResponse, error) {
	chosen, err := settingFields(reset.Names, len(reset.Paths))
	if err != nil {
		return nil, err
	}
	problems := []error{token.CheckActor(reset.Actor)}
	var changes settingsChange
	for _, field := range chosen {
		changes.reset("setting", string(field.Name()))
	}
	for _, path := range reset.Paths {
		problems = append(problems, token.CheckPagePath(path))
		changes.reset("page", path)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, invalid(err)
	}
	return s.changeSettings(ctx, changes, reset.Expected, reset.Actor)
}

// settingFields finds the settings; there must be one, unless pages are changed
// too.
func settingFields(names []string, pages int) ([]protoreflect.FieldDescriptor, error) {
	if len(names)+pages == 0 {
		return nil, invalid(errors.New("no setting and no page is named"))
	}
	var chosen []protoreflect.FieldDescriptor
	var problems []error
	for _, name := range names {
		field, err := token.SettingField(name)
		chosen, problems = append(chosen, field), append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, invalid(err)
	}
	return chosen, nil
}

// settingsChange are the changes as the script takes them.
type settingsChange []any

func (c *settingsChange) set(what, name, value string) { *c = append(*c, what, name, "set", value) }
func (c *settingsChange) reset(what, name string)      { *c = append(*c, what, name, "reset", "") }

func (s *Store) changeSettings(ctx context.Context, changes settingsChange, expected uint64, actor string) (*tokenstorev1.GetSettingsResponse, error) {
	args := append([]any{expected, configChannel, actor}, changes...)
	result, err := changeSettingsScript.run(ctx, s.client, []string{settingsKey(), pagesKey()}, args...).StringSlice()
	if err != nil {
		return nil, storeError("change settings", err)
	}
	if result[0] == "conflict" {
		return nil, versionConflict("the configuration", expected, result[1])
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	return s.Configuration(ctx)
}

// Configuration is the settings, the pages and who changed them, as of one
// moment.
func (s *Store) Configuration(ctx context.Context) (*tokenstorev1.GetSettingsResponse, error) {
	settings, pages, err := s.hashes(ctx, "read the settings", settingsKey(), pagesKey())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.GetSettingsResponse{
		Settings: s.overlay(settings), Pages: pagesOf(pages), Changes: changesOf(settings), Defaults: proto.CloneOf(s.defaults),
	}, nil
}

// changesOf returns who changed what last, by name.
func changesOf(values fields) []*tokenstorev1.SettingChange {
	var changes []*tokenstorev1.SettingChange
	for _, name := range slices.Sorted(maps.Keys(values)) {
		changed, found := strings.CutPrefix(name, "c:")
		if !found {
			continue
		}
		at, actor, _ := strings.Cut(values[name], " ")
		change := &tokenstorev1.SettingChange{Name: changed, At: timestamp(fields{"at": at}.time("at")), Actor: actor}
		// A tokenstore of before leaves what an earlier change has replaced.
		if since, previous, set := strings.Cut(values["p:"+changed], " "); since == at {
			change.PreviousDefault = !set
			if set {
				change.Previous = &previous
			}
		}
		changes = append(changes, change)
	}
	return changes
}

// Snapshot is everything that a gateway's Watch shows, as of now.
func (s *Store) Snapshot(ctx context.Context) (*tokenstorev1.WatchResponse, error) {
	settings, pages, err := s.hashes(ctx, "read the configuration", settingsKey(), pagesKey())
	if err != nil {
		return nil, err
	}
	pipe := s.client.Pipeline()
	hash, revoked := pipe.Get(ctx, adminTokenKey()), pipe.ZRangeWithScores(ctx, revokedKey(), 0, -1)
	mark := pipe.Get(ctx, instanceKey())
	if err := sendReads(ctx, pipe); err != nil { // no hash is Nil
		return nil, storeError("read the configuration", err)
	}
	if err := revoked.Err(); err != nil {
		return nil, storeError("read the configuration", err)
	}
	if s.instance.Load() != nil && mark.Val() == "" { // Prepare finds out why
		return nil, storeError("read the configuration", errNoMark)
	}
	upstreams, err := s.Upstreams(ctx)
	if err != nil {
		return nil, err
	}
	routes, err := s.Routes(ctx)
	if err != nil {
		return nil, err
	}
	prices, err := s.Prices(ctx)
	if err != nil {
		return nil, err
	}
	known, err := s.adminHash(hash.Val())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.WatchResponse{
		Settings: s.overlay(settings), Pages: pagesOf(pages), Upstreams: upstreams,
		AdminTokenHash: known, RevokedSessions: sessionsOf(revoked.Val(), time.Now()), Routes: routes,
		Prices: prices,
	}, nil
}
