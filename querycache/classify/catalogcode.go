package classify

// This file is about code that leaves something behind in the session, or may: parameters, temporary objects, locks. Words tell of it only
// as far as nobody hides them: a statement that may write everything makes a server suspect whatever is found here.

// stealthyNames is a pattern of the names of PostgreSQL's own functions that set parameters, run a text, or leave behind a lock or a seed.
const stealthyNames = `set_config|setseed|pg_(try_)?advisory_lock(_shared)?|pg_advisory_unlock(_all|_shared)?` +
	`|nextval|setval|` + runningNames

// runningNames are those of them that run a text.
const runningNames = `ts_stat|ts_rewrite|\w+_to_xml|\w+_to_xmlschema|\w+_to_xml_and_xmlschema`

// hasStealthyName is stealthyNames as a condition on PostgreSQL's own functions, which takes a tenth of the time.
const hasStealthyName = `(p.proname IN ('set_config', 'setseed', 'ts_stat', 'ts_rewrite', ` + drawing + `,
     'pg_advisory_lock', 'pg_advisory_lock_shared', 'pg_try_advisory_lock', 'pg_try_advisory_lock_shared',
     'pg_advisory_unlock', 'pg_advisory_unlock_shared', 'pg_advisory_unlock_all') OR p.proname LIKE '%\_to\_xml%')`

// drawing are the names of the functions of which currval and lastval tell. In a default they are everywhere and
// not looked for: only statements that name what they do can run one (Draws).
const drawing = `'nextval', 'setval'`

// stealthQuery asks for those functions, and for the objects of the user's whose trees call one of them or read pg_settings, by which
// parameters are set: as (classid, objid). pg_depend does not have those calls, for what came with PostgreSQL is pinned, so they
// are looked for in the trees. Trees of indexes, partition keys and bounds, statistics, generated columns and publications have immutable
// functions only, as these are not, and a function with a tree for a body is feared whatever that is.
//
// A tree is cut where it names a function, whose OID stands first behind the cut; spaces that names have are escaped in a tree. To
// search by a regular expression takes twice the time. The length in bytes is known before a tree is unpacked.
var stealthQuery = `
WITH stealthy AS MATERIALIZED (
    SELECT p.oid, p.proname IN (` + drawing + `) AS draws FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.oid < ` + firstUserOID + ` AND ` + hasStealthyName + `),
stored(classid, objid, relid, tree) AS (` + storedTrees + `)
` + ofNoRelation(`SELECT 'pg_catalog.pg_proc'::regclass::oid, oid, 0::oid FROM stealthy
UNION
`) + `SELECT classid, objid, relid FROM stored,
       pg_catalog.unnest(pg_catalog.string_to_array(CASE WHEN pg_catalog.octet_length(tree) <= ` + longTree + ` THEN tree END, 'funcid ')) call
 WHERE objid >= ` + firstUserOID + ` AND pg_catalog.split_part(pg_catalog."left"(call, 12), ' ', 1) IN (
       SELECT oid::text FROM stealthy WHERE NOT (draws AND classid IN ('pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_type'::regclass)))
UNION
SELECT classid, objid, relid FROM stored
 WHERE objid >= ` + firstUserOID + ` AND CASE WHEN pg_catalog.octet_length(tree) > ` + longTree + ` THEN true
       ELSE pg_catalog.strpos(tree, ':relid ' || 'pg_catalog.pg_settings'::regclass::oid || ' ') > 0 END`

// storedTrees asks for the trees that are looked into, each with the relation that it belongs to, or 0.
var storedTrees = `
    SELECT 'pg_catalog.pg_rewrite'::regclass::oid, oid, ev_class, ev_action::text FROM pg_catalog.pg_rewrite WHERE ` + only("ev_class") + `
    UNION ALL
    SELECT 'pg_catalog.pg_rewrite'::regclass, oid, ev_class, ev_qual::text FROM pg_catalog.pg_rewrite WHERE ` + only("ev_class") + `
    UNION ALL
    SELECT 'pg_catalog.pg_attrdef'::regclass, oid, adrelid, adbin::text FROM pg_catalog.pg_attrdef WHERE ` + only("adrelid") + `
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::regclass, oid, conrelid, conbin::text FROM pg_catalog.pg_constraint WHERE ` + only("conrelid") + `
    UNION ALL
    SELECT 'pg_catalog.pg_trigger'::regclass, oid, tgrelid, tgqual::text FROM pg_catalog.pg_trigger WHERE ` + only("tgrelid") + `
    UNION ALL
    SELECT 'pg_catalog.pg_policy'::regclass, oid, polrelid, polqual::text FROM pg_catalog.pg_policy WHERE ` + only("polrelid") + `
    UNION ALL
    SELECT 'pg_catalog.pg_policy'::regclass, oid, polrelid, polwithcheck::text FROM pg_catalog.pg_policy WHERE ` + only("polrelid") + `
` + ofNoRelation(`    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, oid, 0, typdefaultbin::text FROM pg_catalog.pg_type
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, oid, 0, proargdefaults::text FROM pg_catalog.pg_proc`)

// configures is whether there are functions of the user's that may set parameters of the session, or leave something else there: an aggregate
// calls a function for it, or the body of a function has the words for it, or runs a text that is not plainly of another kind, or
// is one that words cannot be looked for in. It stands behind withWriting.
//
// An EXECUTE is plain if one constant stands behind it, or a format of one in which no %s and no name of a function is filled in.
const configures = `(EXISTS (SELECT FROM stealthyAggregate)
     OR EXISTS (SELECT FROM pg_catalog.pg_operator WHERE oprcode IN (SELECT oid FROM stealthy))
     OR EXISTS (
    SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE p.oid >= ` + firstUserOID + ` AND l.lanname NOT IN ('c', 'internal')
       AND (l.lanname NOT IN ('sql', 'plpgsql') OR p.prosrc = '' OR pg_catalog.length(p.prosrc) > ` + longBody + `
         OR p.prosrc ~* 'pg_settings|\m(set_config|` + runningNames + `|dblink\w*|crosstab\w*|connectby|xpath_table|temp|temporary|listen|prepare|hold|pg_(try_)?advisory_lock(_shared)?)\M|\mpg_temp|\mcreate\s+%I|\mu&["'']'
         OR p.prosrc ~* '(^|[;'']|\*/|--[^\n]*\n|\m(begin|then|else|loop)\M)\s*(re)?set(\s|/\*|--|")'
         OR p.prosrc ~* '\mexecute\M(?!` + plainConstant + `|` + plainFormat + `)')))`

// plainConstant and plainFormat are patterns, in a string of SQL, of what may stand behind EXECUTE.
const (
	plainConstant = `\s*''\s*(` + plainWords + `)\M([^'']|'''')*''\s*(;|into\M|using\M|loop\M)`
	plainFormat   = `\s+format\s*\(\s*''\s*(` + plainWords + `)\M([^''%]|''''|%%|%L|(table|into)\s+%I|%I(?!\s*(\(|set\M|as\M)))*''[^;|'']*(''[^'']*''[^;|'']*)*\)\s*(;|into\M|using\M|loop\M)`
)

// longTree is the length of a tree in bytes beyond which no calls are looked for in it.
const longTree = "2000000"

// longBody is the length of a function's body beyond which no words are looked for in it.
const longBody = "100000"

// plainWords are the first words of statements that set no parameter unless they name set_config or pg_settings.
const plainWords = plainQueries + "|create|alter|drop|grant|revoke"

// plainQueries are those of them that change no object which databases share.
const plainQueries = "select|insert|update|delete|merge|with|values|truncate|copy|analyze|refresh|lock|notify|comment"
