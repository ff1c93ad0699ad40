/*
 * Where the auth database is: the options of the foreign server and of the user
 * mapping, as libpq takes them.
 *
 * libpq has no deadline for a host of several when it is polled, so the list of
 * hosts is taken apart here and bridge_connection.c goes through it.
 */
#include "dualdb.h"

#include <libpq-fe.h>

#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "utils/acl.h"

#include "bridge_options.h"

#define SERVER_NAME		"dualdb_auth"
#define MAPPED_ROLE		"dualdb_bridge_owner"

/* Lists by host, until they are taken apart. */
typedef struct HostLists
{
	char	   *host;
	char	   *hostaddr;
	char	   *port;
} HostLists;

/* Is it one of libpq's that an administrator may set for the bridge? */
static bool
is_connection_option(const PQconninfoOption *known, const char *keyword)
{
	if (strcmp(keyword, "client_encoding") == 0 ||
		strcmp(keyword, "fallback_application_name") == 0)
		return false;
	for (; known->keyword != NULL; known++)
		if (strcmp(known->keyword, keyword) == 0)
			return strchr(known->dispchar, 'D') == NULL;
	return false;
}

static void
add_option(BridgeOptions *options, const char *keyword, const char *value)
{
	options->keywords[options->n] = keyword;
	options->values[options->n] = value;
	options->n++;
}

/* Sort the options of a catalog row into their places. */
static void
take_options(BridgeOptions *options, HostLists *lists, List *defs,
			 const PQconninfoOption *known)
{
	ListCell   *cell;

	foreach(cell, defs)
	{
		DefElem    *def = lfirst_node(DefElem, cell);

		if (strcmp(def->defname, "host") == 0)
			lists->host = pstrdup(defGetString(def));
		else if (strcmp(def->defname, "hostaddr") == 0)
			lists->hostaddr = pstrdup(defGetString(def));
		else if (strcmp(def->defname, "port") == 0)
			lists->port = pstrdup(defGetString(def));
		else if (strcmp(def->defname, "target_session_attrs") == 0)
			options->session_attrs = defGetString(def);
		else if (strcmp(def->defname, "load_balance_hosts") == 0)
			options->random_host = strcmp(defGetString(def), "random") == 0;
		else if (strcmp(def->defname, "password_required") == 0)
			options->password_required = defGetBoolean(def);
		else if (is_connection_option(known, def->defname))
			add_option(options, def->defname, defGetString(def));
	}
}

static int
list_length_of(const char *list)
{
	int			n = 1;

	if (list == NULL)
		return 0;
	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

/* Take the next element off a comma-separated list; NULL when it is empty. */
static char *
next_element(char **list)
{
	char	   *element = *list;
	char	   *comma;

	if (element == NULL)
		return NULL;
	comma = strchr(element, ',');
	if (comma != NULL)
		*comma = '\0';
	*list = comma != NULL ? comma + 1 : NULL;
	return *element != '\0' ? element : NULL;
}

static void
take_hosts(BridgeOptions *options, HostLists *lists)
{
	bool		one_port = list_length_of(lists->port) == 1;

	options->nhosts = Max(1, Max(list_length_of(lists->host),
								 list_length_of(lists->hostaddr)));
	options->hosts = palloc0(sizeof(BridgeHost) * options->nhosts);
	for (int i = 0; i < options->nhosts; i++)
	{
		options->hosts[i].host = next_element(&lists->host);
		options->hosts[i].hostaddr = next_element(&lists->hostaddr);
		options->hosts[i].port = one_port && i > 0 ? options->hosts[0].port
			: next_element(&lists->port);
	}
}

BridgeOptions *
bridge_options_read(void)
{
	ForeignServer *server = GetForeignServerByName(SERVER_NAME, true);
	UserMapping *mapping;
	PQconninfoOption *known;
	BridgeOptions *options = palloc0(sizeof(BridgeOptions));
	HostLists	lists = {0};
	int			room;

	if (server == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("this database has no bridge to an auth database"),
				errhint("Run SELECT dualdb.setup_app() in the app database."));
	mapping = GetUserMapping(get_role_oid(MAPPED_ROLE, false),
							 server->serverid);
	known = PQconndefaults();
	if (known == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"));

	room = list_length(server->options) + list_length(mapping->options) + 8;
	options->keywords = palloc(sizeof(char *) * room);
	options->values = palloc(sizeof(char *) * room);
	options->password_required = true;
	take_options(options, &lists, server->options, known);
	take_options(options, &lists, mapping->options, known);
	take_hosts(options, &lists);
	PQconninfoFree(known);
	return options;
}
