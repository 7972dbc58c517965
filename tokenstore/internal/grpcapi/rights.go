package grpcapi

import (
	"crypto/x509"
	"slices"
	"strings"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// role is what a certificate's name makes of its holder. One with several names has the rights
// of all.
type role uint8

const (
	// gateways serve clients, and pass on what admins ask of them.
	gateways role = 1 << iota
	// admins are tools that look after the pool without a gateway: they change what an admin may
	// change, and are lent no token.
	admins
)

// rights says who may call what. A method that is not here is nobody's.
var rights = map[string]role{
	tokenstorev1.AuditService_RecordAudit_FullMethodName:  gateways | admins,
	tokenstorev1.AuditService_ListAudit_FullMethodName:    gateways | admins,
	tokenstorev1.AuditService_GetUndo_FullMethodName:      gateways | admins,
	tokenstorev1.AuditService_ListActivity_FullMethodName: gateways | admins,

	tokenstorev1.BackupService_Backup_FullMethodName:  gateways | admins,
	tokenstorev1.BackupService_Restore_FullMethodName: gateways | admins,

	tokenstorev1.ConfigService_GetSettings_FullMethodName:     gateways | admins,
	tokenstorev1.ConfigService_UpdateSettings_FullMethodName:  gateways | admins,
	tokenstorev1.ConfigService_ResetSettings_FullMethodName:   gateways | admins,
	tokenstorev1.ConfigService_ListUpstreams_FullMethodName:   gateways | admins,
	tokenstorev1.ConfigService_PutUpstream_FullMethodName:     gateways | admins,
	tokenstorev1.ConfigService_DeleteUpstream_FullMethodName:  gateways | admins,
	tokenstorev1.ConfigService_ListRoutes_FullMethodName:      gateways | admins,
	tokenstorev1.ConfigService_PutRoute_FullMethodName:        gateways | admins,
	tokenstorev1.ConfigService_DeleteRoute_FullMethodName:     gateways | admins,
	tokenstorev1.ConfigService_ClaimAdminToken_FullMethodName: gateways,
	tokenstorev1.ConfigService_Watch_FullMethodName:           gateways,
	tokenstorev1.ConfigService_RevokeSession_FullMethodName:   gateways,

	tokenstorev1.ErrandService_TakeErrands_FullMethodName:     gateways,
	tokenstorev1.ErrandService_SettleRefresh_FullMethodName:   gateways,
	tokenstorev1.ErrandService_SettleLogin_FullMethodName:     gateways,
	tokenstorev1.ErrandService_RenewCredential_FullMethodName: gateways | admins,

	tokenstorev1.LoginService_CreateLogin_FullMethodName: gateways | admins,
	tokenstorev1.LoginService_GetLogin_FullMethodName:    gateways | admins,
	tokenstorev1.LoginService_ListLogins_FullMethodName:  gateways | admins,
	tokenstorev1.LoginService_CancelLogin_FullMethodName: gateways | admins,

	tokenstorev1.FleetService_Beat_FullMethodName: gateways,

	tokenstorev1.IdempotencyService_Claim_FullMethodName:  gateways,
	tokenstorev1.IdempotencyService_Finish_FullMethodName: gateways,

	tokenstorev1.KeyService_CreateKey_FullMethodName:  gateways | admins,
	tokenstorev1.KeyService_GetKey_FullMethodName:     gateways | admins,
	tokenstorev1.KeyService_ListKeys_FullMethodName:   gateways | admins,
	tokenstorev1.KeyService_UpdateKey_FullMethodName:  gateways | admins,
	tokenstorev1.KeyService_RotateKey_FullMethodName:  gateways | admins,
	tokenstorev1.KeyService_DeleteKey_FullMethodName:  gateways | admins,
	tokenstorev1.KeyService_RestoreKey_FullMethodName: gateways | admins,
	tokenstorev1.KeyService_ResolveKey_FullMethodName: gateways,

	tokenstorev1.LeaseService_Session_FullMethodName: gateways,
	tokenstorev1.LeaseService_Explain_FullMethodName: gateways | admins,

	tokenstorev1.NewsService_GetVersions_FullMethodName: gateways | admins,

	tokenstorev1.NotificationService_GetNotifications_FullMethodName:  gateways | admins,
	tokenstorev1.NotificationService_PutDestination_FullMethodName:    gateways | admins,
	tokenstorev1.NotificationService_DeleteDestination_FullMethodName: gateways | admins,
	tokenstorev1.NotificationService_TestDestination_FullMethodName:   gateways | admins,
	tokenstorev1.NotificationService_CreateSilence_FullMethodName:     gateways | admins,
	tokenstorev1.NotificationService_DeleteSilence_FullMethodName:     gateways | admins,

	tokenstorev1.PriceService_GetPrices_FullMethodName: gateways | admins,
	tokenstorev1.PriceService_PutPrices_FullMethodName: gateways | admins,

	tokenstorev1.RequestLogService_Append_FullMethodName:    gateways,
	tokenstorev1.RequestLogService_Query_FullMethodName:     gateways | admins,
	tokenstorev1.RequestLogService_Summarize_FullMethodName: gateways | admins,

	tokenstorev1.ResponseService_PutResponse_FullMethodName:    gateways,
	tokenstorev1.ResponseService_GetResponse_FullMethodName:    gateways,
	tokenstorev1.ResponseService_DeleteResponse_FullMethodName: gateways,

	tokenstorev1.TokenService_CreateToken_FullMethodName:          gateways | admins,
	tokenstorev1.TokenService_ImportTokens_FullMethodName:         gateways | admins,
	tokenstorev1.TokenService_PreviewTokens_FullMethodName:        gateways | admins,
	tokenstorev1.TokenService_ListTokens_FullMethodName:           gateways | admins,
	tokenstorev1.TokenService_GetToken_FullMethodName:             gateways | admins,
	tokenstorev1.TokenService_UpdateToken_FullMethodName:          gateways | admins,
	tokenstorev1.TokenService_DeleteToken_FullMethodName:          gateways | admins,
	tokenstorev1.TokenService_RestoreToken_FullMethodName:         gateways | admins,
	tokenstorev1.TokenService_RevealToken_FullMethodName:          gateways,
	tokenstorev1.TokenService_GetTokenAccount_FullMethodName:      gateways | admins,
	tokenstorev1.TokenService_RecordTokenAccount_FullMethodName:   gateways,
	tokenstorev1.TokenService_ListTokenAccounts_FullMethodName:    gateways | admins,
	tokenstorev1.TokenService_SummarizePools_FullMethodName:       gateways | admins,
	tokenstorev1.TokenService_AcknowledgeCause_FullMethodName:     gateways | admins,
	tokenstorev1.TokenService_ListTransitions_FullMethodName:      gateways | admins,
	tokenstorev1.TokenService_PreviewUndo_FullMethodName:          gateways | admins,
	tokenstorev1.TokenService_UndoTransitions_FullMethodName:      gateways | admins,
	tokenstorev1.TokenService_UndoTokenTransitions_FullMethodName: gateways | admins,
	tokenstorev1.TokenService_ReleaseToken_FullMethodName:         gateways | admins,
	tokenstorev1.TokenService_ExportTokens_FullMethodName:         gateways | admins,

	tokenstorev1.TokenFileService_ReadTokenFiles_FullMethodName:   gateways | admins,
	tokenstorev1.TokenFileService_WriteTokenFiles_FullMethodName:  gateways | admins,
	tokenstorev1.TokenFileService_ReloadTokenFiles_FullMethodName: gateways | admins,

	tokenstorev1.UsageService_QueryUsage_FullMethodName: gateways | admins,
}

// maxIdentity bounds what is repeated of a certificate's names, in bytes.
const maxIdentity = 200

// identity is what a certificate calls its holder: its DNS names, else its common name.
func identity(certificate *x509.Certificate) string {
	names := strings.Join(certificate.DNSNames, ", ")
	if names == "" {
		names = certificate.Subject.CommonName
	}
	return strings.ToValidUTF8(names[:min(len(names), maxIdentity)], "")
}

// rolesOf are those of a certificate, by its DNS names alone.
func (a Access) rolesOf(certificate *x509.Certificate) role {
	var found role
	for _, name := range certificate.DNSNames {
		if slices.Contains(a.Gateways, name) {
			found |= gateways
		}
		if slices.Contains(a.Admins, name) {
			found |= admins
		}
	}
	return found
}

// permit returns why the holder of a certificate may not call a method; nil where it may.
func (a Access) permit(certificate *x509.Certificate, method string) error {
	roles := a.rolesOf(certificate)
	if rights[method]&roles != 0 {
		return nil
	}
	name := strings.TrimPrefix(method, "/")
	if roles == 0 {
		return rpcerr.New(tokenstorev1.Reason_REASON_PERMISSION_DENIED,
			"the certificate of %q may not call %s: its names are neither a gateway's (%s) nor an admin's (%s)",
			identity(certificate), name, strings.Join(a.Gateways, ", "), strings.Join(a.Admins, ", "))
	}
	return rpcerr.New(tokenstorev1.Reason_REASON_PERMISSION_DENIED, "the certificate of %q may not call %s", identity(certificate), name)
}
