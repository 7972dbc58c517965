package backup

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

// kinds are in the order in which a backup has them: what others need comes first.
var kinds = []tokenstorev1.BackupKind{
	tokenstorev1.BackupKind_BACKUP_KIND_UPSTREAM,
	tokenstorev1.BackupKind_BACKUP_KIND_TOKEN,
	tokenstorev1.BackupKind_BACKUP_KIND_CLIENT_KEY,
	tokenstorev1.BackupKind_BACKUP_KIND_ROUTE,
	tokenstorev1.BackupKind_BACKUP_KIND_SETTING,
	tokenstorev1.BackupKind_BACKUP_KIND_PAGE,
	tokenstorev1.BackupKind_BACKUP_KIND_PRICE,
	tokenstorev1.BackupKind_BACKUP_KIND_DESTINATION,
}

// since are the versions of backups from which on they have a kind; those of version 1 are left
// out.
var since = map[tokenstorev1.BackupKind]uint32{tokenstorev1.BackupKind_BACKUP_KIND_DESTINATION: 2}

// entry is one thing of a backup or of the store.
type entry struct {
	kind tokenstorev1.BackupKind
	// key tells it from others of its kind. That of a token is a secret.
	key string
	// name is shown.
	name   string
	record *tokenstorev1.BackupRecord

	// exported is a token as the store has it, and version that of a client key or a destination
	// there.
	exported redisstore.Exported
	version  uint64
}

// entryOf reads a record that is neither the header nor the end. drivers are those of upstreams, by
// name.
func entryOf(record *tokenstorev1.BackupRecord, drivers map[string]string) *entry {
	switch of := record.GetRecord().(type) {
	case *tokenstorev1.BackupRecord_Upstream:
		return named(tokenstorev1.BackupKind_BACKUP_KIND_UPSTREAM, of.Upstream.GetName(), record)
	case *tokenstorev1.BackupRecord_Token:
		return tokenEntry(record, identityOf(of.Token, drivers))
	case *tokenstorev1.BackupRecord_ClientKey:
		key := of.ClientKey.GetKey()
		one := named(tokenstorev1.BackupKind_BACKUP_KIND_CLIENT_KEY, key.GetId(), record)
		one.name = shown(fmt.Sprintf("%s (%s)", key.GetName(), key.GetId()))
		return one
	case *tokenstorev1.BackupRecord_Route:
		return named(tokenstorev1.BackupKind_BACKUP_KIND_ROUTE, of.Route.GetName(), record)
	case *tokenstorev1.BackupRecord_Setting:
		return named(tokenstorev1.BackupKind_BACKUP_KIND_SETTING, of.Setting.GetName(), record)
	case *tokenstorev1.BackupRecord_Page:
		return named(tokenstorev1.BackupKind_BACKUP_KIND_PAGE, of.Page.GetPath(), record)
	case *tokenstorev1.BackupRecord_Price:
		name := of.Price.GetMatch()
		if of.Price.GetUpstream() != "" {
			name += " (" + of.Price.GetUpstream() + ")"
		}
		one := named(tokenstorev1.BackupKind_BACKUP_KIND_PRICE, of.Price.GetMatch()+"\n"+of.Price.GetUpstream(), record)
		one.name = shown(name)
		return one
	case *tokenstorev1.BackupRecord_Destination:
		return destinationEntry(record)
	default: // Contents takes no others
		return nil
	}
}

func named(kind tokenstorev1.BackupKind, name string, record *tokenstorev1.BackupRecord) *entry {
	return &entry{kind: kind, key: name, name: shown(name), record: record}
}

func tokenEntry(record *tokenstorev1.BackupRecord, identity string) *entry {
	t := record.GetToken()
	name := t.GetAlias()
	if name == "" {
		name = secret.New(t.GetSecret()).Masked()
	}
	return &entry{
		kind: tokenstorev1.BackupKind_BACKUP_KIND_TOKEN, key: t.GetUpstream() + "\n" + identity,
		name: shown(t.GetUpstream() + ": " + name), record: record,
	}
}

// maxShown bounds a text that is shown, in characters.
const maxShown = 100

// shown is a text as it may be shown on a line, whoever has made it.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '�'
		default:
			return r
		}
	}, text)
	return shortened(text, maxShown)
}

// shortened is a text of at most so many characters, and shows where some are left out.
func shortened(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most]) + "…"
}
