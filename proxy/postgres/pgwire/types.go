package pgwire

// Types of the messages that a client sends.
const (
	Bind            byte = 'B'
	Close           byte = 'C'
	CopyData        byte = 'd' // both directions
	CopyDone        byte = 'c' // both directions
	CopyFail        byte = 'f'
	Describe        byte = 'D'
	Execute         byte = 'E'
	Flush           byte = 'H'
	FunctionCall    byte = 'F'
	Parse           byte = 'P'
	PasswordMessage byte = 'p' // also SASLInitialResponse and SASLResponse
	Query           byte = 'Q'
	Sync            byte = 'S'
	Terminate       byte = 'X'
)

// Types of the messages that a server sends.
const (
	Authentication           byte = 'R'
	BackendKeyData           byte = 'K'
	BindComplete             byte = '2'
	CloseComplete            byte = '3'
	CommandComplete          byte = 'C'
	CopyBothResponse         byte = 'W'
	CopyInResponse           byte = 'G'
	CopyOutResponse          byte = 'H'
	DataRow                  byte = 'D'
	EmptyQueryResponse       byte = 'I'
	ErrorResponse            byte = 'E'
	FunctionCallResponse     byte = 'V'
	NegotiateProtocolVersion byte = 'v'
	NoData                   byte = 'n'
	NoticeResponse           byte = 'N'
	NotificationResponse     byte = 'A'
	ParameterDescription     byte = 't'
	ParameterStatus          byte = 'S'
	ParseComplete            byte = '1'
	PortalSuspended          byte = 's'
	ReadyForQuery            byte = 'Z'
	RowDescription           byte = 'T'
)

// TxStatus is the transaction status that ReadyForQuery carries.
type TxStatus byte

// The three states of a session between commands.
const (
	TxIdle   TxStatus = 'I' // not in a transaction block
	TxOpen   TxStatus = 'T' // in a transaction block
	TxFailed TxStatus = 'E' // in a failed transaction block: only ROLLBACK is accepted
)

// Codes that stand where StartupMessage has its protocol version.
const (
	Version30         uint32 = 3 << 16
	CancelRequestCode uint32 = 1234<<16 | 5678
	SSLRequestCode    uint32 = 1234<<16 | 5679
	GSSENCRequestCode uint32 = 1234<<16 | 5680
)

// HeaderLen is the size of type byte and length together.
const HeaderLen = 5

// Target tells what Describe and Close are about.
type Target byte

// The two kinds of named objects of the extended protocol.
const (
	Statement Target = 'S'
	Portal    Target = 'P'
)
