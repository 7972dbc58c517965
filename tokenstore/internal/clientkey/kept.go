package clientkey

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// CheckKept returns everything that is wrong with a key of a backup.
func CheckKept(kept *tokenstorev1.BackupClientKey) error {
	key := kept.GetKey()
	if !IsID(key.GetId()) {
		return errors.New("id: 16 characters of a to z and 2 to 7 wanted")
	}
	problems := []error{Check(Said(key)), checkHash("secret_hash", kept.GetSecretHash()), checkMasked(key)}
	if at := key.GetCreatedAt(); at != nil && at.CheckValid() != nil {
		problems = append(problems, errors.New("created_at: a time from the year 1 to 9999 wanted"))
	}
	if at := key.GetOldSecretUntil(); at != nil || len(kept.GetOldSecretHash()) > 0 {
		problems = append(problems, checkHash("old_secret_hash", kept.GetOldSecretHash()))
		if at.CheckValid() != nil {
			problems = append(problems, errors.New("old_secret_until: a time from the year 1 to 9999 wanted"))
		}
	}
	return errors.Join(problems...)
}

func checkHash(field string, hash []byte) error {
	if len(hash) != sha256.Size {
		return fmt.Errorf("%s: %d bytes wanted, the SHA-256 of a secret", field, sha256.Size)
	}
	return nil
}

// checkMasked refuses what Masked does not write for this key.
func checkMasked(key *tokenstorev1.ClientKey) error {
	end, ours := strings.CutPrefix(key.GetMaskedSecret(), secretPrefix+key.GetId()+"-…")
	if !ours || utf8.RuneCountInString(end) != shownLength || !printable(end) {
		return errors.New("masked_secret: it is not that of the key")
	}
	return nil
}
