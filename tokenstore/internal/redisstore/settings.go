package redisstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var (
	changeSettingsScript = newScript("change_settings")
	claimScript          = newScript("claim")
)

const adminHashSize = 32 // bytes: SHA-256

// Settings answers the defaults under what admins have stored.
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

// UpdateSettings stores the named settings of wanted, all or none. expected is
// the version that they must have; 0: any.
func (s *Store) UpdateSettings(ctx context.Context, wanted *tokenstorev1.Settings, names []string, expected uint64) (*tokenstorev1.Settings, error) {
	chosen, err := settingFields(names)
	if err != nil {
		return nil, err
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	for _, field := range chosen {
		settings.ProtoReflect().Set(field, wanted.ProtoReflect().Get(field))
	}
	token.NormalizeSettings(settings)
	if err := token.CheckSettings(settings); err != nil {
		return nil, invalid(err)
	}
	changes := make([]any, 0, 3*len(chosen))
	for _, field := range chosen {
		changes = append(changes, string(field.Name()), "set", formatSetting(settings, field))
	}
	return s.changeSettings(ctx, changes, expected)
}

// ResetSettings takes the named settings back to their defaults.
func (s *Store) ResetSettings(ctx context.Context, names []string, expected uint64) (*tokenstorev1.Settings, error) {
	chosen, err := settingFields(names)
	if err != nil {
		return nil, err
	}
	changes := make([]any, 0, 3*len(chosen))
	for _, field := range chosen {
		changes = append(changes, string(field.Name()), "reset", "")
	}
	return s.changeSettings(ctx, changes, expected)
}

func settingFields(names []string) ([]protoreflect.FieldDescriptor, error) {
	if len(names) == 0 {
		return nil, invalid(errors.New("no setting is named"))
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

func (s *Store) changeSettings(ctx context.Context, changes []any, expected uint64) (*tokenstorev1.Settings, error) {
	args := append([]any{expected, configChannel}, changes...)
	result, err := changeSettingsScript.run(ctx, s.client, []string{settingsKey()}, args...).StringSlice()
	if err != nil {
		return nil, storeError("change settings", err)
	}
	if result[0] == "conflict" {
		return nil, versionConflict("the settings", expected, result[1])
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	return s.Settings(ctx)
}

// ClaimAdminToken stores the SHA-256 of an admin token unless one is stored. It
// answers the one that is stored, and whether it is the caller's.
func (s *Store) ClaimAdminToken(ctx context.Context, hash []byte) ([]byte, bool, error) {
	if len(hash) != adminHashSize {
		return nil, false, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "token_hash: %d bytes wanted, the SHA-256 of a token", adminHashSize)
	}
	values, err := claimScript.run(ctx, s.client, []string{adminTokenKey()}, hex.EncodeToString(hash), configChannel).Slice()
	if err != nil {
		return nil, false, storeError("claim the admin token", err)
	}
	reply := &row{values: values}
	stored, claimed := reply.text(0), reply.number(1) == 1
	if reply.err != nil {
		return nil, false, reply.err
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, false, err
	}
	known, err := hex.DecodeString(stored)
	return known, claimed, err
}

// ForgetAdminToken lets the next claim win.
func (s *Store) ForgetAdminToken(ctx context.Context) error {
	pipe := s.client.Pipeline()
	pipe.Del(ctx, adminTokenKey())
	pipe.Publish(ctx, configChannel, "changed")
	if _, err := pipe.Exec(ctx); err != nil {
		return storeError("forget the admin token", err)
	}
	return s.barrier.Sync(ctx)
}

// Snapshot is everything that a gateway's Watch shows, as of now.
func (s *Store) Snapshot(ctx context.Context) (*tokenstorev1.WatchResponse, error) {
	pipe := s.client.Pipeline()
	settings, hash := pipe.HGetAll(ctx, settingsKey()), pipe.Get(ctx, adminTokenKey())
	_, _ = pipe.Exec(ctx) // each command has its own error; no hash is one
	if err := settings.Err(); err != nil {
		return nil, storeError("read the settings", err)
	}
	upstreams, err := s.Upstreams(ctx)
	if err != nil {
		return nil, err
	}
	known, err := hex.DecodeString(hash.Val())
	if err != nil {
		return nil, fmt.Errorf("the stored hash of the admin token: %w", err)
	}
	return &tokenstorev1.WatchResponse{Settings: s.overlay(settings.Val()), Upstreams: upstreams, AdminTokenHash: known}, nil
}
