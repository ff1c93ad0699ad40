/* Where the auth database is, and as whom to go there: see bridge_options.c. */
#ifndef DUALDB_BRIDGE_OPTIONS_H
#define DUALDB_BRIDGE_OPTIONS_H

/* One host of a list; a member is NULL where the list does not say. */
typedef struct BridgeHost
{
	char	   *host;
	char	   *hostaddr;
	char	   *port;
} BridgeHost;

typedef struct BridgeOptions
{
	/* libpq's keywords and values, but for what follows; room for 8 more */
	const char **keywords;
	const char **values;
	int			n;

	BridgeHost *hosts;
	int			nhosts;
	const char *session_attrs;	/* target_session_attrs */
	bool		random_host;	/* load_balance_hosts */
	bool		password_required;
} BridgeOptions;

/* Read the catalogs; raises an error where there is no bridge. */
extern BridgeOptions *bridge_options_read(void);

#endif							/* DUALDB_BRIDGE_OPTIONS_H */
