/** Where the admin API is. A file of its own, so that the command line need not load the server for it. */
export const API = '/_tappet/api/v1'
