#include "ha/mysql_error.hpp"

namespace sipfront::ha {

StoreError::Kind mysql_error_kind(int number, std::string_view sql_state) noexcept {
    using Kind = StoreError::Kind;
    switch (number) {
        case 1020:  // changed since it was read (snapshot isolation)
        case 1047:  // WSREP has not yet prepared the node, or it lost its quorum
        case 1180:  // error during COMMIT: certification failed
        case 1205:  // lock wait timeout
        case 1213:  // deadlock; certification failed
        case 1296:  // NDB: the cluster fails over
        case 1297:  // NDB: temporary
        case 1317:  // interrupted: Galera's brute force abort
        case 1412:  // table definition changed
        case 1615:  // prepared statement must be prepared anew
        case 3101:  // group replication rolled back
            return Kind::retry;
        case 1053:  // shutting down
        case 1077:
        case 1079:
        case 1152:  // aborted connection
        case 1158:  // packets that did not arrive whole
        case 1159:
        case 1160:
        case 1161:
        case 1184:
        case 1243:  // the server does not know the statement any more
        case 1927:  // connection was killed
        case 4031:  // idle for too long
            return Kind::lost;
        case 1021:  // disk full
        case 1030:  // error of the storage engine, often errno 28
        case 1037:  // out of memory
        case 1038:
        case 1040:  // too many connections
        case 1041:
        case 1044:  // access denied
        case 1045:
        case 1049:  // no such database
        case 1054:  // no such column: not the row's fault, and mended by `db migrate`
        case 1114:  // table full
        case 1142:
        case 1143:
        case 1146:  // no such table
        case 1203:  // too many connections of this user
        case 1226:  // a limit of this user
        case 1290:  // read-only
        case 1364:  // a column without default that we do not write
        case 1792:
        case 1836:
            return Kind::refused;
        case 1048:  // NULL where none may be
        case 1062:  // duplicate of another key
        case 1118:  // row too large
        case 1153:  // packet larger than max_allowed_packet: half of the batch may pass
        case 1264:  // out of range
        case 1292:
        case 1366:  // octets that the column's character set does not have
        case 1390:  // too many placeholders
        case 1406:  // too long
        case 2020:  // packet too large
            return Kind::row;
        default:
            break;
    }
    if (number >= 2000 && number < 3000) return Kind::lost;
    const auto state = sql_state.substr(0, 2);
    if (state == "08") return Kind::lost;
    if (state == "40") return Kind::retry;
    if (state == "22" || state == "23") return Kind::row;
    return Kind::refused;
}

bool mysql_wants_other_host(int number) noexcept {
    switch (number) {
        case 1021:
        case 1040:
        case 1047:
        case 1114:
        case 1203:
        case 1290:
        case 1792:
        case 1836:
            return true;
        default:
            return false;
    }
}

}  // namespace sipfront::ha
