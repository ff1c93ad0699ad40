// dualdb with JDBC: java -cp /usr/share/java/postgresql.jar Jdbc.java ann@example.com

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

public class Jdbc {
    record Session(String status, String accessToken, String refreshToken) {}

    interface Work<T> {
        T run(String userId) throws SQLException;
    }

    static Session session(Connection auth, String sql, String... secrets) throws SQLException {
        try (PreparedStatement statement = auth.prepareStatement(sql)) {
            for (int i = 0; i < secrets.length; i++) {
                statement.setString(i + 1, secrets[i]);
            }
            try (ResultSet row = statement.executeQuery()) {
                row.next();
                return new Session(row.getString(1), row.getString(2), row.getString(3));
            }
        }
    }

    static Session logIn(Connection auth, String email, String password) throws SQLException {
        return session(auth,
            "SELECT status, access_token, refresh_token FROM auth.login(?, ?)", email, password);
    }

    static Session refresh(Connection auth, String refreshToken) throws SQLException {
        return session(auth,
            "SELECT status, access_token, refresh_token FROM auth.refresh(?)", refreshToken);
    }

    /** Run work as the user of the token, in one transaction. */
    static <T> T asUser(Connection app, String token, Work<T> work) throws SQLException {
        app.setAutoCommit(false);
        try (PreparedStatement statement = app.prepareStatement("SELECT dualdb.authenticate(?)")) {
            statement.setString(1, token);
            T result;
            try (ResultSet row = statement.executeQuery()) {
                row.next();
                result = work.run(row.getString(1));
            }
            app.commit();
            return result;
        } catch (SQLException | RuntimeException error) {
            app.rollback();
            throw error;
        } finally {
            app.setAutoCommit(true);
        }
    }

    static String addProject(Connection app, String token, String name) throws SQLException {
        return asUser(app, token, userId -> {
            try (PreparedStatement statement = app.prepareStatement(
                    "INSERT INTO app.projects (user_id, name) VALUES (?, ?)")) {
                statement.setString(1, userId);
                statement.setString(2, name);
                statement.executeUpdate();
                return userId;
            }
        });
    }

    static List<String> projects(Connection app, String token) throws SQLException {
        return asUser(app, token, userId -> {
            List<String> names = new ArrayList<>();
            try (PreparedStatement statement = app.prepareStatement(
                    "SELECT p.name FROM app.projects p ORDER BY p.name");
                    ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    names.add(rows.getString(1));
                }
            }
            return names;
        });
    }

    public static void main(String[] arguments) throws Exception {
        String email = arguments[0];
        String password = new BufferedReader(new InputStreamReader(System.in)).readLine();
        Session session;

        try (Connection auth = DriverManager.getConnection(System.getenv("AUTH_JDBC_URL"));
                PreparedStatement statement = auth.prepareStatement(
                    "SELECT status, user_id FROM auth.register_user(?, ?)")) {
            statement.setString(1, email);
            statement.setString(2, password);
            try (ResultSet row = statement.executeQuery()) {
                row.next();
                System.out.println("registered: " + row.getString(1) + " " + row.getString(2));
            }
            System.out.println("wrong password: " + logIn(auth, email, "not the password").status());
            session = logIn(auth, email, password);
            System.out.println("logged in: " + session.status());
            session = refresh(auth, session.refreshToken());
            System.out.println("refreshed: " + session.status());
        }

        try (Connection app = DriverManager.getConnection(System.getenv("APP_JDBC_URL"));
                PreparedStatement statement = app.prepareStatement(
                    "SELECT coalesce(dualdb.user_id(), 'nobody'), count(*) FROM app.projects")) {
            System.out.println("authenticated: " + addProject(app, session.accessToken(), "First project"));
            for (String name : projects(app, session.accessToken())) {
                System.out.println("project: " + name);
            }
            try (ResultSet row = statement.executeQuery()) {
                row.next();
                System.out.println("afterwards: " + row.getString(1) + ", " + row.getLong(2));
            }
            try {
                projects(app, "not a token");
            } catch (SQLException error) {
                System.out.println("wrong token: " + error.getSQLState());
            }
        }
    }
}
