using Gateway.Api.Dsns;

namespace Gateway.Api.Tests.Dsns;

public sealed class DsnFaultTests
{
    private const string Secret = "s3cr3t";

    private static DsnException Refuse(string dsn, params (string Name, string Value)[] environment) => Assert.Throws<DsnException>(
        () => Dsn.Parse(dsn, name => environment.FirstOrDefault(pair => pair.Name == name).Value));

    [Theory]
    [InlineData("host=h,g port=1,2,3", "port: there are 3 ports for 2 hosts; give one for all of them, or one for each.")]
    [InlineData("host=h port=0", "port: a port is a number from 1 to 65535; ")]
    [InlineData("host=h port=65536", "port: a port is a number from 1 to 65535; ")]
    [InlineData("host=h port=x", "port: a port is a number from 1 to 65535; ")]
    [InlineData("host=h:5433", "host: neither a name nor an IPv6 address; write the port in port=, ")]
    [InlineData("host='a b'", "host: contains a character that a host can't have; ")]
    [InlineData("host=h,/tmp", "host: socket directories and TCP hosts can't be in one list, ")]
    [InlineData("host=/a:b,/c", "host: a socket directory whose name contains a colon ")]
    [InlineData("host=a,b hostaddr=1.1.1.1", "hostaddr: has more or fewer items than host; ")]
    [InlineData("host=a hostaddr=1.1.1.1 sslmode=verify-full", "hostaddr: sslmode=verify-full checks the host's name, ")]
    [InlineData("hostaddr=1.1.1.1 sslmode=verify-full", "hostaddr: sslmode=verify-full checks the host's name, ")]
    [InlineData("connect_timeout=soon", "connect_timeout: must be a whole number, at most 1024 (not \"soon\").")]
    [InlineData("connect_timeout=1025", "connect_timeout: must be a whole number, at most 1024 (not \"1025\").")]
    [InlineData("connect_timeout=1.5", "connect_timeout: must be a whole number, at most 1024.")]
    [InlineData("keepalives=yes", "keepalives: must be a whole number (not \"yes\").")]
    [InlineData("keepalives_interval=5", "keepalives_interval: Npgsql can't set it alone; add keepalives_idle.")]
    [InlineData("keepalives_count=3", "keepalives_count: can't be honoured (not \"3\"): Npgsql can't set it; ")]
    [InlineData("tcp_user_timeout=3", "tcp_user_timeout: can't be honoured (not \"3\"): ")]
    [InlineData("client_encoding=LATIN1", "client_encoding: can't be honoured (not \"LATIN1\"): the gateway speaks UTF-8, ")]
    [InlineData("sslmode=verify_full", "sslmode: must be disable, allow, prefer, require, verify-ca or verify-full (not \"verify_full\").")]
    [InlineData("sslmode=''", "sslmode: must be disable, allow, prefer, require, verify-ca or verify-full.")]
    [InlineData("sslmode=verify-ca", "sslmode: verify-ca needs a root certificate; ")]
    [InlineData("sslmode=require sslrootcert=system", "sslrootcert: system requires sslmode=verify-full; ")]
    [InlineData("sslnegotiation=direct", "sslnegotiation: direct needs sslmode=require, ")]
    [InlineData("sslkey=pkcs11:x", "sslkey: keys in an OpenSSL engine can't be used; ")]
    [InlineData("channel_binding=maybe", "channel_binding: must be disable, prefer or require (not \"maybe\").")]
    [InlineData("gssencmode=maybe", "gssencmode: must be disable, prefer or require (not \"maybe\").")]
    [InlineData("host=/tmp gssencmode=require", "gssencmode: require is not possible on a Unix socket; ")]
    [InlineData("require_auth=oauth", "require_auth: must be a list of password, md5, ")]
    [InlineData("require_auth=md5,!gss", "require_auth: must be a list of password, md5, ")]
    [InlineData("target_session_attrs=primary", "target_session_attrs: chooses among several hosts; remove it, or list the others (host=a,b).")]
    [InlineData("host=a,b target_session_attrs=best", "target_session_attrs: must be any, read-write, ")]
    [InlineData("load_balance_hosts=1", "load_balance_hosts: must be disable or random (not \"1\").")]
    [InlineData("sslcrl=/x", "sslcrl: can't be honoured: ")]
    [InlineData("sslcrldir=/x", "sslcrldir: can't be honoured: ")]
    [InlineData("sslkeylogfile=/x", "sslkeylogfile: can't be honoured: ")]
    [InlineData("sslcompression=1", "sslcompression: can't be honoured (not \"1\"): ")]
    [InlineData("sslsni=0", "sslsni: can't be honoured (not \"0\"): ")]
    [InlineData("sslcertmode=require", "sslcertmode: can't be honoured (not \"require\"): ")]
    [InlineData("ssl_min_protocol_version=TLSv1.2", "ssl_min_protocol_version: can't be honoured: ")]
    [InlineData("ssl_max_protocol_version=TLSv1.3", "ssl_max_protocol_version: can't be honoured: ")]
    [InlineData("min_protocol_version=3.2", "min_protocol_version: can't be honoured: ")]
    [InlineData("requirepeer=postgres", "requirepeer: can't be honoured: ")]
    [InlineData("gsslib=gssapi", "gsslib: can't be honoured: ")]
    [InlineData("gssdelegation=1", "gssdelegation: can't be honoured (not \"1\"): ")]
    [InlineData("replication=database", "replication: can't be honoured (not \"database\"): ")]
    [InlineData("service=prod", "service: can't be honoured: service files aren't read; ")]
    [InlineData("servicefile=/x", "servicefile: can't be honoured: ")]
    [InlineData("scram_client_key=x", "scram_client_key: can't be honoured: ")]
    [InlineData("oauth_issuer=x", "oauth_issuer: can't be honoured: ")]
    // unknown keys, with the key that was probably meant
    [InlineData("dbnme=x", "dbnme: unknown; did you mean \"dbname\"?")]
    [InlineData("pasword=x", "pasword: unknown; did you mean \"password\"?")]
    [InlineData("hots=x", "hots: unknown; did you mean \"host\"?")]
    [InlineData("username=x", "username: unknown; did you mean \"user\"?")]
    [InlineData("ssl_mode=require", "ssl_mode: unknown; did you mean \"sslmode\"?")]
    [InlineData("timeout=3", "timeout: unknown; did you mean \"connect_timeout\"?")]
    [InlineData("colour=blue", "colour: unknown; remove it.")]
    [InlineData("HOST=x", "HOST: unknown; did you mean \"host\"?")]
    public void LibpqKeyword_RefusedByName(string dsn, string fault)
    {
        Assert.StartsWith(fault, Assert.Single(Refuse($"user=u {dsn} password='{Secret}'").Faults), StringComparison.Ordinal);

        var parameters = DsnKeywords.Read(dsn).Settings.Select(s => $"{s.Key}={Uri.EscapeDataString(s.Value)}");
        var refused = Refuse($"postgresql://u:{Secret}@/d?{string.Join('&', parameters)}");
        Assert.StartsWith(fault, Assert.Single(refused.Faults), StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, refused.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "The DSN is empty; write postgresql://user:password@host:5432/dbname, ")]
    [InlineData(" \n", "The DSN is empty; ")]
    [InlineData("localhost", "The DSN has none of the supported forms; write postgresql://")]
    [InlineData("=x", "The DSN has none of the supported forms")]
    [InlineData("user=u\0", "The DSN contains a NUL character, ")]
    [InlineData("jdbc:postgresql://h/d?user=u", "The scheme \"jdbc:postgresql\" is not PostgreSQL's; write postgresql:// ")]
    [InlineData("postgresql+psycopg2://u:s3cr3t@h/d", "The scheme \"postgresql+psycopg2\" ")]
    [InlineData("mysql://u:s3cr3t@h/d", "The scheme \"mysql\" ")]
    [InlineData("postgresql://", "user: missing; add it to the DSN, or set PGUSER.")]
    [InlineData("postgresql://:s3cr3t@h", "user: missing; ")]
    [InlineData("host=h", "user: missing; ")]
    [InlineData("user=''", "user: missing; ")]
    [InlineData("Host=h;Port=1", "Username: missing; add it to the DSN, or set PGUSER.")]
    // URI
    [InlineData("postgresql://u:%zzs3cr3t@h/d", "password: % must be followed by two hexadecimal digits ")]
    [InlineData("postgresql://u:s3cr3t%@h/d", "password: % ")]
    [InlineData("postgresql://u:s3cr3t%1@h/d", "password: % ")]
    [InlineData("postgresql://u:s3cr3t%00@h/d", "password: % ")]
    [InlineData("postgresql://u:s3cr3t%ff@h/d", "password: % ")]
    [InlineData("postgresql://u@h/%2", "dbname: % ")]
    [InlineData("postgresql://u@%gg/d", "host: % ")]
    [InlineData("postgresql://u@h:%gg/d", "port: % ")]
    [InlineData("postgresql://u@h/d?options=%", "options: % ")]
    [InlineData("postgresql://u@h/d?%=1", "The key of a query parameter: % ")]
    [InlineData("postgresql://u@h/d?sslmode", "A query parameter of the URI isn't key=value; ")]
    [InlineData("postgresql://u@h/d?options=-c geqo=off", "A query parameter of the URI isn't key=value; ")]
    [InlineData("postgresql://u@h/d?ssl=false", "ssl: only ssl=true is supported, ")]
    [InlineData("postgresql://u@[::1/d", "host: an IPv6 address in a URI is written [address], ")]
    [InlineData("postgresql://u@[]/d", "host: an IPv6 address ")]
    [InlineData("postgresql://u@[::1]x/d", "host: an IPv6 address ")]
    [InlineData("postgresql://u@::1/d", "port: a port is a number ")]
    [InlineData("postgresql://u@[nonsense:1]/d", "host: neither a name nor an IPv6 address; ")]
    [InlineData("postgresql://u:p@s3cr3t@h/d", "host: contains an @; in the user or the password of a URI write it as %40.")]
    // a line feed at the end
    [InlineData("postgresql://u:s3cr3t%0A@h/d", "password: ends in a line break, which a connection string can't carry; remove it.")]
    [InlineData("user=u password='s3cr3t\n'", "password: ends in a line break, ")]
    [InlineData("Host=h;Username=u;Password=\"s3cr3t\n\"", "Password: ends in a line break, ")]
    // keywords
    [InlineData("user=u password='s3cr3t", "password: the quoted value has no end; ")]
    [InlineData("user=u password='s3cr3t\\", "password: the quoted value has no end; ")]
    [InlineData("user=u password=very s3cr3t", "password: the text after its value isn't key=value; ")]
    [InlineData("user=u password=very s3cr3t=x", "An unknown key follows the password; ")]
    [InlineData("user=u password=very s3cr3t host", "password: the text after its value isn't key=value; ")]
    // Npgsql's
    [InlineData("Host=h;Username=u;Pasword=s3cr3t", "Pasword: unknown; did you mean \"Password\"?")]
    [InlineData("Host=h;Username=u;Password=s;s3cr3t=x", "An unknown key follows the password; ")]
    [InlineData("Host=h;Username=u;Password=s;s3cr3t", "The DSN looks like Npgsql's form, but can't be split ")]
    [InlineData("Host=h;Username=u;Password=\"s3cr3t", "The DSN looks like Npgsql's form, but can't be split ")]
    [InlineData("Host=h;Username=u;Colour=blue", "Colour: unknown; remove it.")]
    [InlineData("Host=h;Username=u;sslmode=verify-full;Password=s3cr3t", "SSL Mode: must be Disable, Allow, Prefer, Require, VerifyCA or VerifyFull (not \"verify-full\").")]
    [InlineData("Host=h;Username=u;SSL Mode=99", "SSL Mode: must be ")]
    [InlineData("Host=h;Username=u;Port=x", "Port: must be a number from 1 to 65535")]
    [InlineData("Host=h;Username=u;Port=65536", "Port: must be a number from 1 to 65535.")]
    [InlineData("Host=h:x;Username=u", "Host: a port is a number ")]
    [InlineData("Host=a,,b;Username=u", "Host: the list has an empty item; ")]
    [InlineData("Host=h;Username=u;Read Buffer Size=-1", "Read Buffer Size: must be a whole number, 0 or more")]
    [InlineData("Host=h;Username=u;Timeout=1025", "Timeout: must be seconds from 0 (endless) to 1024")]
    [InlineData("Host=h;Username=u;Require Auth=md5", "Require Auth: must be a list of Password, MD5, ")]
    [InlineData("Host=h;Username=u;Target Session Attributes=primary", "Target Session Attributes: chooses among several hosts; ")]
    [InlineData("Host=h;Username=u;TCP Keepalive Interval=5", "TCP Keepalive Interval: can't be set alone; ")]
    [InlineData("Host=h;Username=u;SSL Negotiation=Direct", "SSL Negotiation: Direct needs SSL Mode=Require, ")]
    [InlineData("Host=h;Username=u;Client Encoding=LATIN1", "Client Encoding: can't be honoured: ")]
    [InlineData("Host=h;Username=u;Encoding=LATIN1", "Client Encoding: can't be honoured: ")]
    [InlineData("Host=h;Username=u;MaxPoolSize=5", "Maximum Pool Size: can't be set in a DSN: set Gateway__Connections__NAME__PoolSize in its place.")]
    [InlineData("Host=h;Username=u;Pooling=false", "Pooling: can't be set in a DSN: ")]
    [InlineData("Host=h;Username=u;Trust Server Certificate=true", "Trust Server Certificate: can't be set in a DSN: Npgsql ignores it; ")]
    public void Dsn_RefusedInOneSentenceWithoutTheSecret(string dsn, string fault)
    {
        var refused = Refuse(dsn);

        Assert.StartsWith(fault, Assert.Single(refused.Faults), StringComparison.Ordinal);
        Assert.Equal(refused.Faults[0], refused.Message);
        Assert.DoesNotContain(Secret, refused.ToString(), StringComparison.Ordinal);
    }

    // The worst mistakes: after a forgotten separator, or an unescaped one in a password, other keys contain parts of
    // the password.
    [Theory]
    [InlineData("postgresql://u:s3cr3t/x@h/d")]
    [InlineData("postgresql://u:p/s3cr3t?x=1@h/d")]
    [InlineData("postgresql://u:p/w?s3cr3t=1@h/d")]
    [InlineData("postgresql://u:p/w?sslmode=s3cr3t@h/d")]
    [InlineData("postgresql://u:p@s3cr3t:x@h/d")]
    [InlineData("postgresql://h/d?user=u&password=p&s3cr3t=1")]
    [InlineData("postgresql://u:s3cr3t@h/d?sslmode=s3cr3t")]
    [InlineData("postgresql://u:s3cr3t@h/d?sslmode=xs3cr3tx")]
    [InlineData("host=h user=u sslmode=require;password=s3cr3t")]
    [InlineData("host=h user=u sslmode='require password=s3cr3t'")]
    [InlineData("host=h user=u port=5432,password=s3cr3t")]
    [InlineData("host=h;user=u;password=s3cr3t")]
    [InlineData("Host=h Username=u Password=s3cr3t")]
    [InlineData("Host=h;Username=u;SSL Mode=Require Password=s3cr3t")]
    [InlineData("Host=h;Username=u;SSL Mode=Require,Password=s3cr3t")]
    [InlineData("Host=h;Username=u;Port=5432 Password s3cr3t")]
    [InlineData("Host=h Password=s3cr3t;Username=u")]
    [InlineData("Password=a;s3cr3t=b;Host=h;Usrname=x")]
    [InlineData("password=a s3cr3t=b c=d host=h user=u x")]
    [InlineData("s3cr3t")]
    [InlineData("u:s3cr3t@h/d")]
    [InlineData("u:s3cr3t@h?x=y z")]
    public void MisplacedSecret_IsNotShown(string dsn) =>
        Assert.DoesNotContain(Secret, Refuse(dsn).ToString(), StringComparison.Ordinal);

    [Fact]
    public void SeveralFaults_AreToldTogether()
    {
        var refused = Refuse("host=h port=x sslmode=full servce=y connect_timeout=z");

        Assert.Equal(
            ["servce", "sslmode", "port", "user", "connect_timeout"],
            refused.Faults.Select(fault => fault[..fault.IndexOf(':', StringComparison.Ordinal)]));
        Assert.Equal(string.Join(' ', refused.Faults), refused.Message);
    }

    [Fact]
    public void SystemRoots_AreRefusedWhereNpgsqlWouldReadTheVariable()
    {
        Assert.Contains("PGSSLROOTCERT", Refuse("host=h user=u sslrootcert=system", ("PGSSLROOTCERT", "/r")).Message, StringComparison.Ordinal);
        Assert.Contains("PGSSLROOTCERT", Refuse("host=h user=u", ("PGSSLROOTCERT", "system")).Message, StringComparison.Ordinal);
    }
}
