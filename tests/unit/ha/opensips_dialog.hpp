// The dialog table as OpenSIPS' newest version makes it, with a call of its own.
#pragma once

#include <string>
#include <vector>

namespace sipfront::ha {

inline std::vector<std::string> newest_opensips_dialog(const std::string& table_options) {
    return {
        "CREATE TABLE dialog (dlg_id BIGINT(10) UNSIGNED PRIMARY KEY NOT NULL, callid CHAR(255) NOT NULL, from_uri CHAR(255) NOT NULL, "
        "from_tag CHAR(64) NOT NULL, to_uri CHAR(255) NOT NULL, to_tag CHAR(64) NOT NULL, mangled_from_uri CHAR(255) DEFAULT NULL, "
        "mangled_to_uri CHAR(255) DEFAULT NULL, caller_cseq CHAR(11) NOT NULL, callee_cseq CHAR(11) NOT NULL, "
        "caller_ping_cseq INT(11) UNSIGNED NOT NULL, callee_ping_cseq INT(11) UNSIGNED NOT NULL, caller_route_set TEXT, "
        "callee_route_set TEXT, caller_contact CHAR(255) DEFAULT NULL, callee_contact CHAR(255) DEFAULT NULL, "
        "caller_sock CHAR(64) NOT NULL, callee_sock CHAR(64) NOT NULL, state INT(10) UNSIGNED NOT NULL, "
        "start_time INT(10) UNSIGNED NOT NULL, timeout INT(10) UNSIGNED NOT NULL, vars BLOB(4096) DEFAULT NULL, "
        "profiles TEXT, script_flags CHAR(255) DEFAULT NULL, module_flags INT(10) UNSIGNED DEFAULT 0 NOT NULL, "
        "flags INT(10) UNSIGNED DEFAULT 0 NOT NULL, rt_on_answer CHAR(64) DEFAULT NULL, rt_on_timeout CHAR(64) DEFAULT NULL, "
        "rt_on_hangup CHAR(64) DEFAULT NULL) " +
            table_options,
        "INSERT INTO dialog (dlg_id, callid, from_uri, from_tag, to_uri, to_tag, caller_cseq, callee_cseq, caller_ping_cseq, "
        "callee_ping_cseq, caller_contact, caller_sock, callee_sock, state, start_time, timeout) VALUES (77309411380, 'kept@example.com', "
        "'sip:a@example.com', 'f', 'sip:b@example.com', 't', '102', '0', 0, 0, 'sip:a@192.0.2.1', 'udp:10.77.0.100:5060', "
        "'udp:10.77.0.100:5060', 4, 1700000000, 1700043200)",
    };
}

}  // namespace sipfront::ha
