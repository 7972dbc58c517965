package backup

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
)

// tokenRecord is a token of the store. Of a login it has the access token that is good now.
func tokenRecord(t redisstore.Exported) *tokenstorev1.BackupRecord {
	value := t.Secret
	if !t.Access.Empty() {
		value = t.Access
	}
	return &tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Token{Token: &tokenstorev1.BackupToken{
		Upstream: t.Upstream, Secret: value.Reveal(), RefreshToken: t.Refresh.Reveal(),
		Alias: t.Alias, Tags: t.Tags, Cap: t.Cap, Weight: t.Weight, Enabled: t.Enabled,
		DeviceId: t.Checksum.DeviceID, MacHash: t.Checksum.MACHash, Proxy: t.Proxy.Reveal(), DisabledUntil: disabledUntil(t),
	}}}
}

func disabledUntil(t redisstore.Exported) *timestamppb.Timestamp {
	if t.DisabledUntil.IsZero() {
		return nil
	}
	return timestamppb.New(t.DisabledUntil)
}

// storedIdentity is what makes a token of the store the same as one of a backup.
func storedIdentity(t redisstore.Exported) string { return token.Identity(t.Kind, t.Secret).Reveal() }

func identityOf(t *tokenstorev1.BackupToken, drivers map[string]string) string {
	value := secret.New(t.GetSecret())
	kind := token.KindOf(drivers[t.GetUpstream()], value, secret.New(t.GetRefreshToken()))
	return token.Identity(kind, value).Reveal()
}

// loginKey is the key of the login of the same account as a mere session token; empty where that
// can't be one. The store takes an access token of a login for no other token.
func loginKey(t *tokenstorev1.BackupToken, drivers map[string]string) string {
	value := secret.New(t.GetSecret())
	if t.GetRefreshToken() != "" || !token.Renews(drivers[t.GetUpstream()]) || token.Subject(value) == "" {
		return ""
	}
	return t.GetUpstream() + "\n" + token.Identity(tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN, value).Reveal()
}

// draftOf is the token as the store takes it.
func draftOf(t *tokenstorev1.BackupToken) token.Draft {
	draft := token.NewDraft(secret.New(t.GetSecret()))
	draft.Upstream, draft.Refresh = t.GetUpstream(), secret.New(t.GetRefreshToken())
	draft.Fields = token.Fields{
		Alias: t.GetAlias(), Tags: t.GetTags(), Cap: t.GetCap(), Weight: t.GetWeight(), Enabled: t.GetEnabled(),
		Checksum: checksum.Material{DeviceID: t.GetDeviceId(), MACHash: t.GetMacHash()}, Proxy: secret.New(t.GetProxy()),
	}
	if until := t.GetDisabledUntil(); until.IsValid() {
		draft.DisabledUntil = until.AsTime()
	}
	draft.Said = []string{token.Alias, token.Tags, token.Cap, token.Weight, token.Enabled, token.Checksum, token.Proxy, token.DisabledUntil}
	return draft
}

// checkToken answers everything that is wrong with a token. Its errors repeat no secret.
func checkToken(t *tokenstorev1.BackupToken, drivers map[string]string) error {
	draft := draftOf(t)
	problems := []error{token.CheckSecret(draft.Secret), draft.Check()}
	if !draft.Refresh.Empty() {
		if err := token.CheckSecret(draft.Refresh); err != nil {
			problems = append(problems, fmt.Errorf("refresh_token: %w", err))
		}
		if driver := drivers[draft.Upstream]; driver != "" && !token.Renews(driver) {
			problems = append(problems, fmt.Errorf("refresh_token: upstream %q has no logins", draft.Upstream))
		}
	}
	if draft.Checksum != (checksum.Material{}) {
		if _, err := checksum.Parse(draft.Checksum.At(time.Now())); err != nil {
			problems = append(problems, fmt.Errorf("checksum: %w", err))
		}
	}
	if drivers[draft.Upstream] == "" {
		problems = append(problems, fmt.Errorf("there is no upstream %q", shown(draft.Upstream)))
	}
	return errors.Join(problems...)
}

// adapted is a token of a backup as it is to be beside the present one: what a login has now is
// newer than what it had then, unless it is of no use any more, and who has no checksum keeps the
// present one.
func adapted(wanted *tokenstorev1.BackupToken, present *entry) *tokenstorev1.BackupToken {
	now := present.record.GetToken()
	wanted = proto.CloneOf(wanted)
	if wanted.GetDeviceId() == "" {
		wanted.DeviceId, wanted.MacHash = now.GetDeviceId(), now.GetMacHash()
	}
	later := token.Expiry(secret.New(wanted.GetSecret())).After(token.Expiry(secret.New(now.GetSecret())))
	if wanted.GetRefreshToken() == "" || !later && !present.exported.NeedsLogin {
		wanted.Secret, wanted.RefreshToken = now.GetSecret(), now.GetRefreshToken()
	}
	return wanted
}

// withoutSecrets is the record of a token without what it is sent with; nil of none.
func withoutSecrets(record *tokenstorev1.BackupRecord) *tokenstorev1.BackupRecord {
	if record.GetToken() == nil {
		return record
	}
	record = proto.CloneOf(record)
	record.GetToken().Secret, record.GetToken().RefreshToken = "", ""
	return record
}
