package pgwire

// SQLSTATEs of the errors that the proxy raises itself (appendix "PostgreSQL Error Codes").
const (
	CodeProtocolViolation    = "08P01"
	CodeConnectionFailure    = "08006"
	CodeCannotConnect        = "08001"
	CodeFeatureNotSupported  = "0A000"
	CodeInvalidParameter     = "22023"
	CodeInvalidAuthorization = "28000"
	CodeInvalidPassword      = "28P01"
	CodeInvalidCatalogName   = "3D000"
	CodeUndefinedObject      = "42704"
	CodeInvalidStatementName = "26000"
	CodeDeadlock             = "40P01"
	CodeDuplicateCursor      = "42P03"
	CodeLockNotAvailable     = "55P03"
	CodeInsufficientRights   = "42501"
	CodeNameTooLong          = "42622"
	CodeTooManyConnections   = "53300"
	CodeConfigurationLimit   = "53400"
	CodeQueryCanceled        = "57014"
	CodeAdminShutdown        = "57P01"
	CodeInternal             = "XX000"
)
